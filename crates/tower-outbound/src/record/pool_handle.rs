//! A hold on the connections of a pool: a suspect connection can be taken out.
//!
//! A handle costs allocations, so the client is asked for one per connection: for the request that connects, or for a
//! later one.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Connection, ConnectionState, Registry};

/// A handle on the connection that a pool has picked for a request.
pub(crate) trait PoolHandle: fmt::Debug + Send + Sync {
    /// The connection, once the pool has picked a tracked one.
    fn connection(&self) -> Option<Connection>;

    /// The pool does not use the connection for further requests. Requests in flight go on.
    fn poison(&self);
}

impl Connection {
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
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, pause};

    use super::*;
    use crate::event::Observers;
    use crate::record::{Protocol, Setup};

    fn open(registry: &Registry, uri: &str, peer: &str) -> Connection {
        let origin = registry.origin(&uri.parse().unwrap());
        let setup = Setup::start(origin, None, Observers::default());
        let peer = Some(peer.parse().unwrap());
        Connection::open(registry, setup, None, peer, Some(Protocol::Http1), 0, Instant::now())
    }

    #[tokio::test]
    async fn suspect_connection_is_idle_http1_to_same_dead_peer() {
        const URI: &str = "http://peer.test/";
        const PEER: &str = "192.0.2.1:80";
        pause();
        let registry = Registry::new(Observers::default(), crate::settings::Settings::default());
        let [dead, idle, heard, busy, http2] = [(); 5].map(|()| open(&registry, URI, PEER));
        let elsewhere = open(&registry, URI, "192.0.2.2:80");
        let other = open(&registry, "http://other.test/", PEER);
        http2.io().set_protocol(Protocol::Http2);
        for one in [&idle, &heard] {
            one.io().count_read(1, Instant::now());
        }
        advance(Duration::from_secs(1)).await;
        let since = Instant::now();
        advance(Duration::from_secs(1)).await;
        let new = open(&registry, URI, PEER);
        heard.io().count_read(1, Instant::now());
        busy.io().begin_stream();

        assert!(idle.is_suspect(&dead, since));
        for (one, why) in [
            (&heard, "it received bytes since"),
            (&new, "it was opened since"),
            (&busy, "an attempt uses it"),
            (&http2, "HTTP/2 detects this itself"),
            (&elsewhere, "another peer"),
            (&other, "another origin"),
        ] {
            assert!(!one.is_suspect(&dead, since), "{why}");
        }
    }
}
