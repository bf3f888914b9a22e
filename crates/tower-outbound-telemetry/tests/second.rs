//! Two pipelines that export the same spans.

use std::net::TcpListener;
use std::time::Duration;

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::otlp::Receiver;
use tokio::time::Instant;
use tower_outbound_telemetry::{Loss, Telemetry, TelemetryBuilder};

fn builder(endpoint: &str) -> TelemetryBuilder {
    Telemetry::builder("shop").lookup(|_| None).without_globals().endpoint(endpoint)
}

fn record(telemetry: &Telemetry, spans: usize) {
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    (0..spans).for_each(|_| tracer.start("a span").end());
}

#[tokio::test]
async fn second_pipeline_exports_the_same_spans() {
    let (first, second) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    let copies = builder(&second.http_endpoint()).build().unwrap();
    let queue = copies.span_processor().unwrap();
    let telemetry = builder(&first.http_endpoint()).span_processor(queue).build().unwrap();
    record(&telemetry, 700);
    let (report, copied) = tokio::join!(telemetry.shutdown(), copies.shutdown());
    assert_eq!((first.span_ids().len(), first.span_ids()), (700, second.span_ids()));
    assert_eq!(
        [report, copied].map(|report| (report.spans().delivered(), report.spans().lost())),
        [(700, 0); 2]
    );
}

/// The second receiver accepts connections and never responds.
#[tokio::test]
async fn second_pipeline_that_hangs_loses_its_own_copies_alone() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = Receiver::start().await.unwrap();
    let limit = Duration::from_secs(1);
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let copies = builder(&endpoint).shutdown_timeout(limit).build().unwrap();
    let queue = copies.span_processor().unwrap();
    let telemetry =
        builder(&first.http_endpoint()).shutdown_timeout(limit).span_processor(queue).build().unwrap();
    record(&telemetry, 100);
    let start = Instant::now();
    // One after the other: the first shutdown ends the queue too, within its own time.
    let report = telemetry.shutdown().await;
    let took = start.elapsed();
    assert!(took < 2 * limit, "{took:?}");
    assert_eq!((report.spans().delivered(), report.spans().lost(), first.span_ids().len()), (100, 0, 100));
    let copied = copies.shutdown().await;
    assert_eq!((copied.spans().delivered(), copied.spans().lost_by(Loss::TimedOut)), (0, 100), "{copied}");
}
