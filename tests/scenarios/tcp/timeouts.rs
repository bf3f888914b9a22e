//! Timeouts and cancelled connects.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::secret;
use tokio::time::Instant;
use tower::{ServiceExt as _, service_fn};
use tower_outbound::connect::TcpConnector;
use tower_outbound::{Class, Kind};

use super::{Silent, peer, recorded, resolver, tcp_error};
use crate::support::{Body, stack};

/// A resolver that fails after this time; `None` never answers.
async fn slow(after: Option<Duration>) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => pending().await,
    }
    Err(io::Error::other("unknown name"))
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_in_dns_is_10_s_by_default() {
    let (outbound, recorder, events) = recorded();
    let tcp = outbound.http_connector().resolver(service_fn(|_: Name| slow(None)));
    let start = Instant::now();
    let client = stack(&outbound, outbound.connector(tcp));
    let error = client.oneshot(secret::request(&peer(), Body::default())).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(events.take(), ["dns connect_timeout", "ended"]);
    assert_eq!(recorder.outcomes(), ["connect_timeout in dns"]);
    assert_eq!(error.failure().class(), Some(Class::Timeout));
    let error = tcp_error(&error);
    assert_eq!(error.to_string(), "`peer.test` was not resolved within 10s");
    assert_eq!(error.address_attempts().len(), 0);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_zero_is_off() {
    let (hour, start) = (Duration::from_secs(3600), Instant::now());
    let tcp = TcpConnector::new()
        .connect_timeout(Duration::ZERO)
        .resolver(service_fn(move |_: Name| slow(Some(hour))));
    let error = tcp.oneshot(peer()).await.unwrap_err();
    assert_eq!((start.elapsed(), error.failure().kind()), (hour, Kind::NameResolution));
}

#[tokio::test]
async fn connect_timeout_ends_silent_addresses_together() {
    let (one, other) = (Silent::new(), Silent::new());
    let (outbound, recorder, events) = recorded();
    let tcp = outbound
        .http_connector()
        .connect_timeout(Duration::from_millis(400))
        .attempt_delay(Duration::from_millis(10))
        .resolver(resolver([one.address, other.address]));
    let client = stack(&outbound, outbound.connector(tcp));
    let error = client.oneshot(secret::request(&peer(), Body::default())).await.unwrap_err();
    assert_eq!(
        events.take(),
        [
            "dns ok".to_owned(),
            format!("{} connect_timeout", one.address),
            format!("{} connect_timeout", other.address),
            "tcp connect_timeout".to_owned(),
            "ended".to_owned()
        ]
    );
    assert_eq!(recorder.outcomes(), ["connect_timeout in tcp"]);
    assert_eq!(
        tcp_error(&error).to_string(),
        format!(
            "no connection to peer.test:80 within 400ms: {} connect_timeout, {} connect_timeout",
            one.address, other.address
        )
    );
    recorder.settled().await;
}

#[tokio::test]
async fn connect_dropped_cancels_address_before_setup_ends() {
    let silent = Silent::new();
    let (outbound, recorder, events) = recorded();
    let tcp = outbound.http_connector().resolver(resolver([silent.address]));
    let mut connecting = Box::pin(outbound.connector(tcp).oneshot(peer()));
    assert!((&mut connecting).now_or_never().is_none());
    assert_eq!(events.take(), ["dns ok"]);
    drop(connecting);
    assert_eq!(events.take(), [&format!("{} cancelled", silent.address), "ended"]);
    recorder.settled().await;
}

#[tokio::test]
async fn connect_cancelled_when_attempt_is_dropped() {
    let silent = Silent::new();
    let (outbound, recorder, events) = recorded();
    let tcp = outbound.http_connector().resolver(resolver([silent.address]));
    let client = stack(&outbound, outbound.connector(tcp));
    assert!(client.oneshot(secret::request(&peer(), Body::default())).now_or_never().is_none());
    assert_eq!(recorder.outcomes(), ["cancelled in tcp"]);
    assert_eq!(events.take(), ["dns ok", &format!("{} cancelled", silent.address), "ended"]);
    recorder.settled().await;
}
