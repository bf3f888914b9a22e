//! An application that has a `tracing` subscriber before the pipeline. One test: the subscriber is per process.

use std::io::{self, Write};
use std::sync::Mutex;

use opentelemetry::trace::{Span as _, Tracer as _};
use outbound_tests::otlp::{Receiver, Span};
use tower_outbound_telemetry::Telemetry;

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was logged since the last call.
fn logged() -> String {
    String::from_utf8(std::mem::take(&mut LOG.lock().unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriber_of_application_is_kept_and_spans_are_exported() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
    let got = Receiver::start().await.unwrap();
    let builder = |variables: &'static [(&str, &str)]| {
        let lookup = move |key: &str| {
            variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned())
        };
        Telemetry::builder("shop").lookup(lookup).endpoint(got.http_endpoint())
    };
    let disabled = builder(&[("OTEL_SDK_DISABLED", "true")]).with_subscriber().build().unwrap();
    let log = logged();
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "there is nothing to export: {log}");
    drop(disabled);

    let asked = builder(&[]).without_globals().with_subscriber().build().unwrap();
    let log = logged();
    let kept = "the process has a tracing subscriber, which is kept: spans of `tracing` are not exported, unless \
                `telemetry.layer()` is added to it";
    assert!(log.contains(kept), "{log}");
    assert_eq!((log.matches("WARN").count(), log.contains("ERROR")), (1, false), "{log}");
    drop(asked);

    let telemetry = builder(&[]).build().unwrap();
    let log = logged();
    assert!(
        log.contains("telemetry is exported") && !log.contains("WARN") && !log.contains("ERROR"),
        "{log}"
    );
    opentelemetry::global::tracer("app").start("a span").end();
    assert!(telemetry.shutdown().await.is_complete());
    assert_eq!(got.spans().iter().map(Span::name).collect::<Vec<_>>(), ["a span"]);
}
