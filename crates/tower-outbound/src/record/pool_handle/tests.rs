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
    let registry = Registry::new(Observers::default(), crate::settings::StackSettings::default());
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
    busy.io().begin_stream(1, 1, Instant::now());

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
