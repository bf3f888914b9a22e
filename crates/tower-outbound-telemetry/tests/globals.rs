//! A pipeline with global providers. Alone in its process: it would receive the spans of other tests.

use outbound_tests::otlp::Receiver;
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

#[test]
fn globals_set_by_first_build_and_second_build_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // `start` only binds: the receiver runs on a thread of its own.
    let got = runtime.block_on(Receiver::start()).unwrap();
    let endpoint = got.grpc_endpoint();
    let build = |endpoint: String| {
        let builder = Telemetry::builder("shop").lookup(|_| None).protocol(OtlpProtocol::Grpc);
        builder.endpoint(endpoint).with_subscriber().build()
    };
    let first = build(endpoint.clone()).unwrap();
    assert_eq!(first.warnings(), []);
    tracing::info_span!("a span").in_scope(|| ());
    let refused = build(endpoint).unwrap_err();
    assert_eq!(refused.already_set_what(), Some("global tracer provider"));
    opentelemetry::global::meter("test").u64_counter("a.counter").build().add(1, &[]);
    let report = first.shutdown_blocking();
    assert!(report.is_complete(), "{report}");

    let spans = got.spans();
    let spans: Vec<_> = spans.iter().map(|span| (&*span.resource_service, span.name())).collect();
    assert_eq!(spans, [("shop", "a span")]);
    assert!(got.metric_names().contains("a.counter"), "{:?}", got.metric_names());
}
