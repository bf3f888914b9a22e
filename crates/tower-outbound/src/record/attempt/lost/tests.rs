//! Requests that reqwest has lost: its connections are not tracked, so only the attempts show it.

use std::net::SocketAddr;

use http::{Method, Uri};
use tokio::time::advance;

use super::*;
use crate::event::{ConnectResult, Observers, Outcome};
use crate::record::{AttemptStart, Protocol, Registry, Setup};
use crate::settings::StackSettings;

const SECOND: Duration = Duration::from_secs(1);

struct Rig {
    registry: Registry,
}

impl Rig {
    fn new() -> Self {
        Self { registry: Registry::new(Observers::default(), StackSettings::default()) }
    }

    /// An attempt whose request reqwest has.
    fn attempt(&self) -> Attempt {
        let uri = Uri::from_static("http://peer.test/");
        let attempt = AttemptStart {
            registry: self.registry.clone(),
            origin: self.registry.origin(&uri),
            method: Method::GET,
            uri: &uri,
            template: None,
            call: None,
            asks_close: false,
            is_grpc: false,
        }
        .start();
        attempt.request_body().handed_to_redirect_client();
        attempt
    }

    fn setup(&self) -> Setup {
        let origin = self.registry.origin(&Uri::from_static("http://peer.test/"));
        Setup::start(origin, None, Observers::default())
    }

    /// Opens a connection, whose protocol is known after its first response.
    fn connect(&self, protocol: Option<Protocol>) {
        let (setup, address) = (self.setup(), SocketAddr::from(([127, 0, 0, 1], 1)));
        let at = Instant::now();
        let opened =
            Connection::untracked(&self.registry, setup.clone(), (address, address), None, false, at);
        setup.finish(ConnectResult::Untracked);
        if let Some(protocol) = protocol {
            opened.io().set_protocol(protocol);
        }
    }
}

fn take(attempt: &Attempt) {
    attempt.request_body().accepted_by_client(Instant::now());
}

/// How long ago the request was lost.
fn lost_for(attempt: &Attempt) -> Option<Duration> {
    lost_since(attempt).map(|since| since.elapsed())
}

#[tokio::test(start_paused = true)]
async fn untracked_lost_where_nothing_is_in_flight() {
    let rig = Rig::new();
    let attempt = rig.attempt();
    assert_eq!(lost_for(&attempt), None, "no connection was ever opened");
    rig.connect(Some(Protocol::Http2));
    let before = rig.attempt();
    take(&before);
    let attempt = rig.attempt();
    advance(2 * SECOND).await;
    assert_eq!(lost_for(&attempt), None, "it may wait for a stream");
    before.response().finish(&Outcome::Ok);
    advance(SECOND).await;
    assert_eq!(lost_for(&attempt), Some(SECOND), "since the other one has ended");
    let setup = rig.setup();
    assert_eq!(lost_for(&attempt), None, "a connection is being opened");
    setup.finish(ConnectResult::Cancelled);
    assert_eq!(lost_for(&attempt), Some(Duration::ZERO));
    take(&attempt);
    assert_eq!(lost_for(&attempt), None);
}

#[tokio::test(start_paused = true)]
async fn untracked_lost_where_later_request_was_taken() {
    let rig = Rig::new();
    rig.connect(Some(Protocol::Http2));
    let attempt = rig.attempt();
    let beside = rig.attempt();
    take(&beside);
    advance(SECOND).await;
    assert_eq!(lost_for(&attempt), None, "both started at the same time");
    let later = rig.attempt();
    take(&later);
    advance(SECOND).await;
    assert_eq!(lost_for(&attempt), Some(2 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn untracked_waits_for_stream_unless_http1_only() {
    for (protocol, lost) in [(None, false), (Some(Protocol::Http1), true), (Some(Protocol::Http2), false)] {
        let rig = Rig::new();
        rig.connect(protocol);
        let other = rig.attempt();
        take(&other);
        let attempt = rig.attempt();
        advance(2 * SECOND).await;
        assert_eq!(lost_for(&attempt).is_some(), lost, "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn untracked_taken_after_end_is_not_in_flight() {
    let rig = Rig::new();
    rig.connect(Some(Protocol::Http2));
    let cancelled = rig.attempt();
    cancelled.response().finish(&Outcome::Ok);
    take(&cancelled);
    take(&cancelled);
    let attempt = rig.attempt();
    advance(SECOND).await;
    assert_eq!(lost_for(&attempt), Some(SECOND));
}
