//! Events as `tracing` events, for services without OpenTelemetry.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::{Event, Outbound};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Body, stack};

/// A writer that keeps its text. Clones share the text.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Lines;

    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn log_attempt_with_phases_and_connection_redacts_secrets() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("off,tower_outbound=trace")
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let (server, peer) = ScriptedServer::duplex(Script::answering("HTTP/1.1 204 No Content\r\n\r\n"));
    let outbound = Outbound::builder().observer(|_: &Event<'_>| panic!("on purpose")).build();
    let client = stack(&outbound, outbound.connector(peer));
    let response = client.oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap();
    response.into_body().collect().await.unwrap();
    drop(server);
    while !outbound.connections().is_empty() {
        tokio::task::yield_now().await;
    }

    let log = lines.text();
    let found =
        |parts: &[&str]| log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    assert_eq!(found(&["DEBUG", "connection opened", "origin=http://127.0.0.1"]), 1, "{log}");
    assert_eq!(found(&["TRACE", "phase=wait"]), 1, "{log}");
    assert_eq!(found(&["DEBUG", "attempt ended", "status=204", "method=\"GET\"", "new"]), 1, "{log}");
    assert_eq!(found(&["DEBUG", "connection closed", "reason=", "uses=1"]), 1, "{log}");
    assert_eq!(found(&["WARN", "an observer panicked", "closure"]), 1, "{log}");
    assert!(!secret::is_in(&log));
}

#[tokio::test(start_paused = true)]
async fn log_of_warnings_alone_has_a_call_failed_after_retries() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_env_filter("off,tower_outbound=warn").with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(lines.clone()).finish());

    let (server, peer) = ScriptedServer::duplex(Script::new());
    server.stop(); // refuses each connect
    let outbound = Outbound::new();
    let client = outbound.layer().layer(outbound.hyper_client(peer));
    let request = http::Request::get(server.uri("/")).body(Body::default()).unwrap();
    client.oneshot(request).await.unwrap_err();

    let log = lines.text();
    let failed = log.lines().filter(|line| line.contains("a call failed after retries")).collect::<Vec<_>>();
    assert_eq!(failed.len(), 1, "{log}");
    assert!(failed[0].contains("attempts=3"), "{log}");
}

#[tokio::test]
async fn log_of_information_has_a_reset_with_its_report() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("off,tower_outbound=info")
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    Outbound::new().reset_origin(&"https://a.example/x".parse().unwrap());
    let text = lines.text();
    assert!(text.contains(" INFO tower_outbound: connections are reset origin=https://a.example"), "{text}");
    assert!(text.trim_end().ends_with("closed=0 draining=0 cut=0 unreached=0"), "{text}");
}
