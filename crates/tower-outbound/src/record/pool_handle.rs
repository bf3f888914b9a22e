//! A hold on the connections of a pool: a suspect connection can be taken out.
//!
//! A handle costs allocations, so the client is asked for one per connection: for the request that connects, or for a
//! later one.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::{Connection, ConnectionState, OwnPool, Registry};

/// A handle on the connection that a pool has picked for a request.
pub(crate) trait PoolHandle: fmt::Debug + Send + Sync {
    /// The connection, once the pool has picked a tracked one.
    fn connection(&self) -> Option<Connection>;

    /// The pool does not use the connection for further requests. Requests in flight go on.
    fn poison(&self);
}

impl Connection {
    /// Keeps the handle of a pool of this crate, which gives one for each connection, and closes idle connections in time.
    pub(crate) fn set_pool_handle(&self, handle: Arc<dyn PoolHandle>, pool: &Weak<dyn OwnPool>) {
        self.0.registry.add_pool(pool);
        self.0.pooled.store(true, Ordering::Relaxed);
        self.0.captured.store(true, Ordering::Relaxed);
        drop(self.0.registry.set_pool_handle(self, handle));
    }

    /// Whether a pool of this crate has the connection.
    pub(in crate::record) fn is_of_own_pool(&self) -> bool {
        self.0.pooled.load(Ordering::Relaxed)
    }

    /// An attempt on the connection has ended. `handle` is what the client filled, if it was asked to.
    pub(in crate::record) fn keep_pool_handle(&self, handle: Option<&Arc<dyn PoolHandle>>) {
        let captured = &self.0.captured;
        if captured.load(Ordering::Relaxed) || !self.is_tracked() || self.is_http2() {
            return;
        }
        match handle {
            None => self.origin().request_capture(),
            Some(handle) => {
                captured.store(true, Ordering::Relaxed);
                if handle.connection().is_some_and(|connection| connection == *self) {
                    drop(self.0.registry.set_pool_handle(self, handle.clone()));
                }
            }
        }
    }

    /// Whether the connection goes to the peer of a dead one, was idle at that time, and has not proved since that it is
    /// alive.
    fn is_suspect(&self, dead: &Self, since: Instant) -> bool {
        let same_peer = self.peer_addr() == dead.peer_addr() && self.origin() == dead.origin();
        let received_since = self.last_read().is_some_and(|read| read > since);
        let idle = self.state() == ConnectionState::Idle && self.opened() <= since && !received_since;
        same_peer && idle && !self.is_http2()
    }
}

impl Registry {
    /// A reused connection was dead. Connections to the same peer that were idle when the client took that one are likely
    /// dead too, and are not used any more.
    pub(in crate::record) fn evict_idle_peers(&self, dead: &Connection, since: Instant) {
        for (connection, handle) in self.pool_handles() {
            if connection.is_suspect(dead, since) {
                handle.poison();
                connection.evict();
            }
        }
    }
}

#[cfg(test)]
mod tests;
