//! A hold on the connections of hyper-util's pool: one that is not to be trusted any more is given to nobody.
//!
//! It costs allocations, so that it is had of each connection once: by the attempt that connects, or by a later one.

use std::sync::atomic::Ordering;

use http::{Extensions, Request};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::time::Instant;

use crate::record::{Connection, ConnectionState, Origin, Registry};

/// What hyper-util fills with the connection that it takes for a request; other clients leave it empty.
#[derive(Clone, Debug)]
pub(crate) struct Capture(CaptureConnection);

impl Capture {
    /// If there may be a connection of which we have none yet.
    pub(crate) fn of_new<B>(request: &mut Request<B>, origin: &Origin) -> Option<Self> {
        if !origin.take_wanted_name() {
            return None;
        }
        // A request has room for one: the caller's own, if there is one.
        let others = std::mem::take(request.extensions_mut());
        let capture = capture_connection(request);
        request.extensions_mut().extend(others);
        Some(Self(capture))
    }

    fn connection(&self) -> Option<Connection> {
        let mut extras = Extensions::new();
        self.0.connection_metadata().as_ref()?.get_extras(&mut extras);
        extras.remove()
    }

    /// The pool gives the connection to nobody any more; what is on it goes on.
    fn poison(&self) {
        if let Some(connected) = self.0.connection_metadata().as_ref() {
            connected.poison();
        }
    }
}

impl Connection {
    /// An attempt that it has served is over, with what the client was to fill if it was asked.
    pub(crate) fn keep(&self, capture: Option<&Capture>) {
        let named = &self.0.named;
        if named.load(Ordering::Relaxed) || !self.is_tracked() || self.is_http2() {
            return;
        }
        match capture {
            None => self.origin().want_name(),
            Some(capture) => {
                named.store(true, Ordering::Relaxed);
                if capture.connection().is_some_and(|connection| connection == *self) {
                    drop(self.0.registry.set_capture(self, capture.clone()));
                }
            }
        }
    }

    /// It is over: the pool is told before the client's own task has come to an end.
    pub(crate) fn leave_pool(&self) {
        if let Some(capture) = self.0.registry.capture_of(self) {
            capture.poison();
        }
    }

    /// Whether it was idle then, with the same peer, and nothing has come since that shows that it lives.
    fn is_suspect(&self, dead: &Self, since: Instant) -> bool {
        let one_peer = self.peer_addr() == dead.peer_addr() && self.origin() == dead.origin();
        let heard = self.last_read().is_some_and(|read| read > since);
        let idle = self.state() == ConnectionState::Idle && self.opened() <= since && !heard;
        one_peer && idle && !self.is_http2()
    }
}

impl Registry {
    /// A reused connection has turned out to be dead: its peer's others that were idle when the client took it are as
    /// likely to be, and are not used any more.
    pub(crate) fn distrust_idle(&self, dead: &Connection, since: Instant) {
        for (connection, capture) in self.captured() {
            if connection.is_suspect(dead, since) {
                capture.poison();
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
        http2.set_protocol(Protocol::Http2);
        for one in [&idle, &heard] {
            one.count_read(1, Instant::now());
        }
        advance(Duration::from_secs(1)).await;
        let since = Instant::now();
        advance(Duration::from_secs(1)).await;
        let new = open(&registry, URI, PEER);
        heard.count_read(1, Instant::now());
        busy.begin_stream();

        assert!(idle.is_suspect(&dead, since));
        for (one, why) in [
            (&heard, "it has answered since"),
            (&new, "it was opened since"),
            (&busy, "its attempt will tell"),
            (&http2, "it tells by itself"),
            (&elsewhere, "its peer is another"),
            (&other, "its origin is another"),
        ] {
            assert!(!one.is_suspect(&dead, since), "{why}");
        }
    }
}
