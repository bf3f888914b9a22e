//! Resets: the connections that are open leave their pools.

use std::ops::AddAssign;
use std::pin::pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use http::Uri;
use tokio::time::timeout;

use super::origin::OriginParts;
use super::{CloseHint, Connection, Registry};
use crate::event::{Event, log};
use crate::settings::PoolSettings;
#[cfg(feature = "settings")]
use crate::settings::StackSettings;

/// What a reset has done with the connections that were open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reset {
    /// Connections that were idle, and close.
    pub closed: usize,
    /// Connections that finish what they do, and serve no other request.
    pub draining: usize,
    /// Connections that were closed although requests waited for their answers: their origin was silent, and other requests
    /// needed their places. See [`Outbound::reset`](crate::Outbound::reset).
    pub cut: usize,
    /// Connections of a client with a pool of its own that could not be reached, and stay in use: those that have served no
    /// request yet, and those whose TLS is above this crate, as a tonic channel's. What reqwest opens is not even counted.
    pub unreached: usize,
}

impl AddAssign for Reset {
    fn add_assign(&mut self, other: Self) {
        self.closed += other.closed;
        self.draining += other.draining;
        self.cut += other.cut;
        self.unreached += other.unreached;
    }
}

/// A pool of this crate.
pub(crate) trait OwnPool: Send + Sync {
    /// Closes what is idle, and from now on whatever becomes idle.
    fn close(&self);

    /// Takes other limits and timeouts.
    fn apply(&self, settings: &PoolSettings);

    /// Takes every connection out of use, or those to one origin.
    fn reset(&self, origin: Option<OriginParts<'_>>) -> Reset;

    /// The same for an origin that has been silent for this long: connections that owe an answer are cut.
    fn recover(&self, origin: OriginParts<'_>, silence: Duration) -> Reset;

    /// Whether a connection to the origin is open, or being made by more than the asking connect.
    fn has_connection(&self, origin: OriginParts<'_>) -> bool;

    /// Another pool of the stack wants to connect, and the limit of both is reached: an idle connection closes. If none is
    /// idle, a busy one is not used again, unless as many as `leaving` are about to go.
    fn make_room(&self, origin: OriginParts<'_>, leaving: usize);

    /// A request waits for a slot, after a reset: silent connections are looked at.
    fn look(&self);
}

impl Registry {
    /// The pool has connections of this registry, and follows its settings from now on.
    pub(crate) fn add_pool(&self, pool: &Weak<dyn OwnPool>) {
        let mut pools = self.pools().lock().unwrap_or_else(PoisonError::into_inner);
        if pools.iter().any(|known| known.ptr_eq(pool)) {
            return;
        }
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool.clone());
        drop(pools);
        if let Some(pool) = pool.upgrade() {
            pool.apply(&self.settings().of_pool());
        }
    }

    /// The settings were read again.
    #[cfg(feature = "settings")]
    pub(crate) fn reloaded(&self, error: Option<&crate::settings::FileError>) {
        log::reloaded(error);
        self.emit(&Event::Reloaded { error: error.map(|error| error as _) });
    }

    /// Takes other settings, and gives the pools theirs. Requests follow them from the next one on.
    #[cfg(feature = "settings")]
    pub(crate) fn apply(&self, settings: StackSettings) {
        let (of_pool, telemetry) = (settings.of_pool(), settings.telemetry);
        self.store_settings(settings);
        if self.observers().switch(&telemetry) {
            self.connections().iter().for_each(Connection::tell_late);
        }
        self.own_pools().iter().for_each(|pool| pool.apply(&of_pool));
    }

    /// Takes every connection out of use, or those to the origin of a URI. Nothing happens if the URI names no host.
    pub(crate) fn reset(&self, uri: Option<&Uri>) -> Reset {
        let origin = match uri.map(|uri| self.origin_of(uri)) {
            Some(None) => return Reset::default(),
            origin => origin.flatten(),
        };
        self.see_reset();
        let mut reset = Reset::default();
        for pool in self.own_pools() {
            reset += pool.reset(origin.as_ref().map(|origin| origin.parts()));
        }
        for connection in self.connections() {
            if origin.as_ref().is_none_or(|origin| connection.origin() == origin) {
                reset += connection.reset();
            }
        }
        log::reset(origin.as_ref(), reset);
        self.emit(&Event::Reset { origin: origin.as_ref(), reset });
        reset
    }
}

/// How often connections that have become idle meanwhile leave the pools of other crates.
const TICK: Duration = Duration::from_millis(50);

impl Registry {
    /// Takes every connection out of use, also those that are opened meanwhile, until none is open. Returns those that are open
    /// after the limit.
    pub(crate) async fn shutdown(&self, limit: Duration) -> Vec<Connection> {
        let _ = self.reset(None);
        self.own_pools().iter().for_each(|pool| pool.close());
        let wait = async {
            loop {
                let mut emptied = pin!(self.emptied().notified());
                emptied.as_mut().enable();
                let open = self.connections();
                if open.is_empty() {
                    return;
                }
                for connection in open {
                    let _ = connection.reset();
                }
                let _ = timeout(TICK, emptied).await;
            }
        };
        let _ = timeout(limit, wait).await;
        self.connections()
    }

    pub(super) fn own_pools(&self) -> Vec<Arc<dyn OwnPool>> {
        let pools = self.pools().lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Connection {
    /// Takes the connection out of the pool of another crate, as far as that can be reached.
    pub(super) fn reset(&self) -> Reset {
        let mut reset = Reset::default();
        if !self.is_tracked() || self.is_of_own_pool() {
            return reset;
        }
        let handle = self.0.registry.pool_handle_of(self);
        if let Some(handle) = &handle {
            handle.poison();
        }
        // Between the records of TLS nothing can be injected. hyper takes the end of file on an unused connection for an
        // error, which a first request may meet.
        if (self.is_opaque() || self.protocol().is_none()) && handle.is_none() {
            reset.unreached += 1;
            return reset;
        }
        match self.retire(CloseHint::Reset) {
            // The pool drops one whose TLS is above when it comes across it.
            Some(busy) if busy || self.is_opaque() => reset.draining += 1,
            Some(_) => reset.closed += 1,
            None => {}
        }
        reset
    }
}
