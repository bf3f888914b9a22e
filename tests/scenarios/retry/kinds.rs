//! Which failures are retried, through the public API. A unit test of the rules lists all kinds.

use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_outbound::connect::{ResolveError, TcpConnector};
use tower_outbound::failure::DnsFailure;
use tower_outbound::retry::{RetryContext, Verdict};
use tower_outbound::{Kind, SendState};

use super::*;

/// The number of attempts of a request whose attempts all fail, and the kind of the failure.
async fn attempts<C>(connector: impl FnOnce(&Outbound) -> C, request: Request<RequestBody>) -> (u32, Kind)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let fixture = Fixture::new();
    let layer = fixture.layer().backoff(Duration::from_nanos(1), Duration::from_nanos(1));
    let client = fixture.stack(connector(&fixture.outbound), &layer);
    let error = send(&client, request).await.map(drop).expect_err("every attempt fails");
    let attempt = error.attempt().expect("the attempt was observed").clone();
    assert_eq!(error.history().len(), attempt.ordinal() as usize);
    assert!(
        error.history().iter().all(|attempt| attempt.failure().unwrap().kind() == error.failure().kind())
    );
    (attempt.ordinal() + 1, error.failure().kind())
}

fn post_to(uri: impl std::fmt::Display) -> Request<RequestBody> {
    post(uri.to_string().parse().unwrap(), upload("hello"))
}

fn resolving(failure: DnsFailure) -> TcpConnector {
    TcpConnector::new().resolver(tower::service_fn(move |_: Name| {
        std::future::ready(Err::<std::vec::IntoIter<SocketAddr>, _>(BoxError::from(ResolveError::new(
            failure,
        ))))
    }))
}

#[tokio::test]
async fn retry_connect_refused_is_retried() {
    let uri = format!("http://{}/", closed_port().unwrap());
    let tcp = |outbound: &Outbound| outbound.connector(outbound.http_connector());
    assert_eq!(attempts(tcp, post_to(uri)).await, (3, Kind::ConnectionRefused));
}

/// A retry of the application above multiplies this.
#[tokio::test(start_paused = true)]
async fn retry_refused_connect_costs_30_ms_at_most() {
    let refused = tower::service_fn(|_: http::Uri| {
        let error = BoxError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        std::future::ready(Err::<TokioIo<TcpStream>, _>(error))
    });
    let mut longest = Duration::ZERO;
    for seed in 0..100 {
        let outbound = Outbound::builder().retry(|retry| retry.seed(seed)).build();
        let client = outbound.layer().layer(outbound.hyper_client(refused));
        let start = Instant::now();
        let error = client.oneshot(post_to("http://peer.test/")).await.map(drop).unwrap_err();
        assert_eq!((error.failure().kind(), error.history().len()), (Kind::ConnectionRefused, 2));
        longest = longest.max(start.elapsed());
    }
    let ms = Duration::from_millis;
    assert!((ms(15)..=ms(30)).contains(&longest), "{longest:?}");
}

#[tokio::test]
async fn retry_network_unreachable_is_retried() {
    // TCP has no route to a multicast address.
    let tcp = |outbound: &Outbound| outbound.connector(outbound.http_connector());
    assert_eq!(attempts(tcp, post_to("http://224.0.0.1/")).await, (3, Kind::NetworkUnreachable));
}

#[tokio::test]
async fn retry_dns_try_again_is_retried_and_unknown_name_is_not() {
    for (failure, expected) in
        [(DnsFailure::HostNotFound, 1), (DnsFailure::NoRecovery, 1), (DnsFailure::TryAgain, 3)]
    {
        let tcp = |outbound: &Outbound| outbound.connector(resolving(failure));
        assert_eq!(
            attempts(tcp, post_to("http://peer.test/")).await,
            (expected, Kind::NameResolution),
            "{failure:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn retry_connect_timeout_is_retried_within_15_s() {
    let (_server, connector) = ScriptedServer::duplex(Script::new());
    let slow = |outbound: &Outbound| outbound.connector(connector.delay(Duration::from_secs(60)));
    let start = Instant::now();
    assert_eq!(attempts(slow, post_to("http://peer.test/")).await, (2, Kind::ConnectTimeout));
    // And a backoff.
    assert_eq!(start.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn retry_connection_that_ends_at_accept_is_retried() {
    for end in [Script::new().close(), Script::new().reset()] {
        let (server, connector) =
            ScriptedServer::duplex([Script::new().hang(), end.clone(), Script::answering(OK)]);
        let fixture = Fixture::new();
        let connector = fixture.outbound.connector(connector);
        // Another request's connection, which was not written to yet.
        let unused = connector.clone().oneshot(server.uri("/")).await.unwrap();
        let client = fixture.stack(connector, &fixture.layer());
        let (status, _) = fetch(&client, post_to(server.uri("/"))).await.unwrap();
        assert_eq!((status, server.accepted(), server.requests()), (200, 3, 1), "{end:?}");
        assert!(fixture.events().contains(&"retry not_sent".to_owned()), "{:?}", fixture.events());
        drop(unused);
    }
}

#[tokio::test]
async fn retry_tls_failure_is_not_retried() {
    let (certs, others) = (Certs::new("peer.test"), Certs::new("peer.test"));
    for (trusted, alpn, expected) in
        [(&others, "h2", Kind::SecureConnection), (&certs, "http/1.1", Kind::VersionNegotiation)]
    {
        let script = Script::new().tls(certs.server_config(&[alpn])).read_to_end();
        let server = ScriptedServer::tcp(script).await.unwrap();
        let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(trusted.client_config(&[]));
        let https = https.https_only().enable_http2().wrap_connector(TcpConnector::new());
        let uri = server.uri_with("https", "localhost", "/");
        assert_eq!(attempts(|outbound| outbound.connector(https), post_to(uri)).await, (1, expected));
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_invalid_request_is_not_retried() {
    let (server, connector) = ScriptedServer::duplex(Script::answering(OK));
    let mut request = post_to("http://peer.test/");
    *request.method_mut() = http::Method::CONNECT;
    *request.version_mut() = http::Version::HTTP_2;
    let plain = |outbound: &Outbound| outbound.connector(connector);
    assert_eq!(attempts(plain, request).await, (1, Kind::InvalidRequest));
    assert_eq!(server.requests(), 0);
}

#[tokio::test(start_paused = true)]
async fn retry_failing_request_body_is_not_retried() {
    let (server, connector) = ScriptedServer::duplex(Script::answering(OK));
    let frames = futures_util::stream::iter([Err(BoxError::from("no more"))]);
    let body = UnsyncBoxBody::new(http_body_util::StreamBody::new(frames));
    let plain = |outbound: &Outbound| outbound.connector(connector);
    assert_eq!(attempts(plain, post(server.uri("/"), body)).await, (1, Kind::RequestBody));
    assert_eq!((server.requests(), server.accepted()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn retry_without_send_state_only_if_policy_says_so() {
    let fixture = Fixture::new();
    let says_so = fixture.layer().policy(|_: &RetryContext<'_>| Verdict::Retry);
    for (layer, expected) in [(fixture.layer(), 1), (says_so, 3)] {
        // Without an observe layer no failure has a send state.
        let sent = Arc::new(Mutex::new(0));
        let counter = sent.clone();
        let client = tower::service_fn(move |_: Request<LeasedBody<RequestBody>>| {
            *counter.lock().unwrap() += 1;
            std::future::ready(Err::<Response<RequestBody>, _>(std::io::Error::from(
                std::io::ErrorKind::ConnectionReset,
            )))
        });
        let error = layer.layer(client).oneshot(post_to("http://peer.test/")).await.unwrap_err();
        assert_eq!((error.failure().kind(), error.failure().send_state()), (Kind::ConnectionReset, None));
        assert_eq!(*sent.lock().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_possibly_processed_is_not_retried() {
    let cases = [
        (Script::new().read_request().close(), Kind::ResponseEnded, SendState::Sent),
        (Script::new().read_request().reset(), Kind::ConnectionReset, SendState::Sent),
        (Script::new().read_request().write("HTTP/1.1 2").close(), Kind::ResponseEnded, SendState::Sent),
    ];
    for (end, kind, state) in cases {
        for reused in [false, true] {
            let fixture = Fixture::new();
            let end = end.clone();
            let (server, connector) = ScriptedServer::duplex(move |_: usize| match reused {
                true => Script::new().read_request().write(OK).then(end.clone()),
                false => end.clone(),
            });
            let client = fixture.stack(fixture.outbound.connector(connector), &fixture.layer());
            if reused {
                fetch(&client, get(server.uri("/"))).await.unwrap();
            }
            let error = send(&client, get(server.uri("/"))).await.unwrap_err();
            assert_eq!((error.failure().kind(), error.failure().send_state()), (kind, Some(state)));
            assert_eq!((error.history().len(), server.accepted()), (0, 1));
        }
    }
}
