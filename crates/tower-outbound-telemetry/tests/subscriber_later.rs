//! An application that installs its `tracing` subscriber after the pipeline, with the pipeline's layer. One test: the
//! subscriber is per process.

use std::io::{self, Write};
use std::sync::Mutex;

use outbound_tests::otlp::{Receiver, Span};
use tower_outbound_telemetry::Telemetry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

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

#[tokio::test(flavor = "multi_thread")]
async fn subscriber_installed_later_gets_the_warnings_of_the_start() {
    let got = Receiver::start().await.unwrap();
    let lookup = |key: &str| (key == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "many".to_owned());
    let telemetry = Telemetry::builder("shop").lookup(lookup).endpoint(got.http_endpoint()).build().unwrap();
    let log = fmt::layer().with_ansi(false).with_writer(|| Log);
    tracing_subscriber::registry().with(LevelFilter::INFO).with(log).with(telemetry.layer()).init();
    tracing::info_span!("a span").in_scope(|| ());
    let _ = telemetry.force_flush().unwrap();
    let _ = telemetry.force_flush().unwrap();
    assert!(telemetry.shutdown().await.is_complete());
    assert_eq!(got.spans().iter().map(Span::name).collect::<Vec<_>>(), ["a span"]);
    let log = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("OTEL_BSP_MAX_QUEUE_SIZE: \"many\" cannot be used, using 2048"), "{log}");
    assert_eq!(log.matches("telemetry is exported").count(), 1, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}
