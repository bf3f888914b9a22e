//! The errors of failed connects.

use std::error::Error as StdError;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::secret;
use outbound_tests::server::closed_port;
use tower::{Service, ServiceExt as _, service_fn};
use tower_outbound::connect::{TcpConnectError, TcpConnector};
use tower_outbound::{Failure, Kind, Phase};

use super::{peer, recorded, resolver, tcp_error};
use crate::support::{Body, stack};

#[tokio::test]
async fn tcp_error_lists_each_address_with_its_failure() {
    let (one, other) = (closed_port().unwrap(), closed_port().unwrap());
    let (outbound, recorder, events) = recorded();
    let tcp = outbound.http_connector().resolver(resolver([one, other]));
    let client = stack(&outbound, outbound.connector(tcp));
    let error = client.oneshot(secret::request(&peer(), Body::default())).await.unwrap_err();

    assert_eq!((error.failure().kind(), error.failure().os_error()), (Kind::ConnectionRefused, Some(111)));
    assert_eq!(recorder.outcomes(), ["connection_refused in tcp"]);
    assert_eq!(events.take()[3], "tcp connection_refused");
    let error = tcp_error(&error);
    assert_eq!(
        error.to_string(),
        format!("no connection to peer.test:80: {one} connection_refused, {other} connection_refused")
    );
    let attempts = error.address_attempts();
    assert_eq!(attempts.iter().map(|attempt| attempt.address).collect::<Vec<_>>(), [one, other]);
    assert!(attempts.iter().all(|attempt| attempt.failure() == Some(error.failure())));
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.raw_os_error(), Some(111));
    recorder.settled().await;
}

#[derive(Debug, PartialEq)]
struct Unknown(&'static str);

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown: {}", self.0)
    }
}

impl StdError for Unknown {}

/// Becomes ready, or fails, at its second `poll_ready`.
#[derive(Clone)]
struct Unready {
    polls: u8,
    fails: bool,
}

impl Service<Name> for Unready {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Unknown;
    type Future = Ready<Result<Self::Response, Unknown>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unknown>> {
        self.polls += 1;
        if self.polls == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(if self.fails { Err(Unknown("readiness")) } else { Ok(()) })
    }

    fn call(&mut self, _: Name) -> Self::Future {
        assert!(self.polls >= 2, "called before it was ready");
        ready(Err(Unknown("this name")))
    }
}

#[tokio::test]
async fn dns_resolver_error_is_source_and_fails_in_phase_dns() {
    for (fails, unknown) in [(false, Unknown("this name")), (true, Unknown("readiness"))] {
        let (outbound, _recorder, events) = recorded();
        let tcp = outbound.http_connector().resolver(Unready { polls: 0, fails });
        let error = outbound.connector(tcp).oneshot(peer()).await.unwrap_err();
        assert_eq!(events.take(), ["dns name_resolution_error", "ended"]);
        let error = tcp_error(&*error);
        assert_eq!(error.to_string(), "`peer.test` could not be resolved");
        assert_eq!(error.source().unwrap().downcast_ref::<Unknown>(), Some(&unknown));
        assert_eq!(error.failure().phase(), Some(Phase::Dns));
    }
}

#[tokio::test]
async fn dns_name_without_address_fails_in_phase_dns() {
    let (outbound, _recorder, events) = recorded();
    let nothing = service_fn(|_: Name| ready(Ok::<_, io::Error>(std::iter::empty())));
    let error = outbound.connector(TcpConnector::new().resolver(nothing)).oneshot(peer()).await.unwrap_err();
    assert_eq!(events.take(), ["dns name_resolution_error", "ended"]);
    assert_eq!(tcp_error(&*error).to_string(), "`peer.test` has no address");
}

#[tokio::test]
async fn dns_system_resolver_fails_nonexistent_name() {
    let (outbound, _recorder, events) = recorded();
    // A label has at most 63 bytes (RFC 1035, section 2.3.4), so no name server is queried.
    let uri = format!("http://{}.test/", "a".repeat(64)).parse().unwrap();
    let error = outbound.connector(outbound.http_connector()).oneshot(uri).await.unwrap_err();
    assert_eq!(events.take(), ["dns name_resolution_error", "ended"]);
    assert_eq!(Failure::of(&*error).phase(), Some(Phase::Dns));
}

#[tokio::test]
async fn tcp_incomplete_uri_is_invalid_request_without_phase() {
    let tcp = TcpConnector::new();
    let http_only = tcp.clone().enforce_http(true);
    for (tcp, uri, why) in [
        (&tcp, "/path", "it has no scheme"),
        (&tcp, "peer.test:80", "it has no scheme"),
        (&tcp, "ftp://peer.test/", "it has no port, and scheme `ftp` has none that is known"),
        (&http_only, "https://peer.test/", "its scheme is `https`, and `enforce_http` allows only `http`"),
    ] {
        let (outbound, _recorder, events) = recorded();
        let error = outbound.connector(tcp.clone()).oneshot(uri.parse().unwrap()).await.unwrap_err();
        let error: &TcpConnectError = tcp_error(&*error);
        assert_eq!(error.to_string(), format!("cannot connect to the request's URI: {why}"));
        assert_eq!((error.failure().kind(), error.failure().phase()), (Kind::InvalidRequest, None));
        assert_eq!(events.take(), ["ended"], "{uri}");
    }
    let (_listener, open) = super::open(std::net::Ipv4Addr::LOCALHOST);
    http_only.oneshot(format!("http://{open}/").parse().unwrap()).await.unwrap();
    tcp.oneshot(format!("ftp://{open}/").parse().unwrap()).await.unwrap();
}
