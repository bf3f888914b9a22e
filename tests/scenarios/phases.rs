//! Each phase lasts as long as its delay. All delays differ, so that swapped phases are detected.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnectorBuilder;
use outbound_tests::certs::Certs;
use outbound_tests::secret;
use outbound_tests::server::{DuplexConnector, DuplexIo, Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::connect::{PhaseLayer, PhaseTimer};
use tower_outbound::{Phase, Timings};
use tower_service::Service;

use crate::support::{Body, recorded, stack};

const TOLERANCE: Duration = Duration::from_millis(10);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Resolves in 30 ms, then connects at once.
#[derive(Clone)]
struct ResolvingConnector {
    resolver: PhaseTimer<SlowResolver>,
    peer: DuplexConnector,
}

#[derive(Clone)]
struct SlowResolver;

impl Service<String> for SlowResolver {
    type Response = ();
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: String) -> Self::Future {
        Box::pin(async {
            tokio::time::sleep(ms(30)).await;
            Ok(())
        })
    }
}

impl Service<http::Uri> for ResolvingConnector {
    type Response = DuplexIo;
    type Error = tower_outbound::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<DuplexIo, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let mut this = self.clone();
        Box::pin(async move {
            this.resolver.call(uri.host().unwrap_or_default().to_owned()).await?;
            Ok(this.peer.call(uri).await?)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn phases_are_within_10_ms_of_their_gates() {
    let certs = Certs::new("example.test");
    let script = Script::new()
        .sleep(ms(50))
        .tls(certs.server_config(&["http/1.1"]))
        .read_request()
        .sleep(ms(70))
        .write("HTTP/1.1 200 OK\r\ncontent-")
        .sleep(ms(20))
        .write("length: 6\r\n\r\nabc")
        .sleep(ms(90))
        .write("def")
        .repeat();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let tcp =
        ResolvingConnector { resolver: PhaseLayer::dns().layer(SlowResolver), peer: peer.delay(ms(10)) };
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_http1()
        .wrap_connector(PhaseLayer::tcp().layer(tcp));
    let client = stack(&outbound, outbound.connector(https));

    let uri = server.uri_with("https", "example.test", "/");
    let request = secret::request(&uri, Body::from("upload"));
    let response = client.clone().oneshot(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    let mut body = response.into_body();
    // hyper ends a body of known length without polling it to `None`.
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    drop(body);

    let expected = [
        (Phase::Dns, 30),
        (Phase::Tcp, 10),
        (Phase::Tls, 50),
        (Phase::Send, 0),
        (Phase::Wait, 70),
        (Phase::Head, 20),
        (Phase::Body, 90),
    ];
    for (phase, expected) in expected {
        let took = timings.phase(phase).unwrap_or_else(|| panic!("no phase {phase}"));
        assert!(took.abs_diff(ms(expected)) <= TOLERANCE, "{phase} took {took:?}, its delay {expected} ms");
    }
    let marks = timings.cumulative();
    let marks = [marks.acquire, marks.send_start, marks.first_byte, marks.head, marks.body_end];
    let marks: Vec<_> = marks.map(|mark| mark.expect("every mark is set")).to_vec();
    assert!(marks.is_sorted(), "{marks:?}");
    assert_eq!(Some(marks[4]), timings.total());
    assert!(timings.is_complete() && timings.setup_paid() && !timings.first_byte_is_upper_bound());
    assert_eq!(recorder.outcomes(), ["ok"]);
    assert_eq!(
        timings.to_string(),
        format!(
            "dns 30.0 tcp 10.0 tls 50.0 send 0.0 wait 70.0 head 20.0 body 90.0 = 270.0 ms, connection {} new",
            timings.connection().unwrap().id()
        )
    );

    // The second attempt pays for no setup.
    let response = client.oneshot(secret::request(&uri, Body::default())).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    response.into_body().collect().await.unwrap();
    assert_eq!(timings.phase(Phase::Dns), None);
    assert_eq!(timings.usage().unwrap().number(), 2);
    assert!(!timings.attempt().answered_early());
    assert!(!timings.setup_paid());
    assert!(timings.setup().unwrap().phase(Phase::Tls).unwrap().abs_diff(ms(50)) <= TOLERANCE);
    recorder.wait_until(|recorder| recorder.gauges().0 == 0).await;
}

#[tokio::test(start_paused = true)]
async fn phase_wait_absent_if_answered_before_request_is_sent() {
    let script = Script::new()
        .read_head()
        .sleep(ms(40))
        .write("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        .hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, _recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer));

    // The body exceeds the pipe's buffer, so it cannot be sent completely.
    let body = Body::from(vec![0; 1 << 20]);
    let response = client.oneshot(secret::request(&server.uri("/"), body)).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(timings.phase(Phase::Wait), None);
    assert!(timings.attempt().answered_early());
    let sent = timings.phase(Phase::Send).unwrap();
    assert!(sent.abs_diff(ms(40)) <= TOLERANCE, "{sent:?}, {timings}");
}

#[tokio::test(start_paused = true)]
async fn setup_phases_of_untimed_connector_absent_not_zero() {
    let (server, peer) = ScriptedServer::duplex(Script::answering("HTTP/1.1 204 No Content\r\n\r\n"));
    let (outbound, _recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer.delay(ms(25))));

    let response = client.oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap();
    let setup = timings.setup().unwrap();
    assert_eq!(
        (setup.phase(Phase::Dns), setup.phase(Phase::Tcp), setup.phase(Phase::Tls)),
        (None, None, None)
    );
    assert_eq!(setup.duration(), Some(ms(25)));
    assert!(timings.phase(Phase::Acquire).unwrap().abs_diff(ms(25)) <= TOLERANCE);
}
