//! Exporters that are given, under the same queue, counts and shutdown.

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter as OtlpSpans, WithExportConfig};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use outbound_tests::otlp::Receiver;
use tokio::time::Instant;
use tower_outbound_telemetry::{Loss, Telemetry, TelemetryBuilder};

/// What an exporter does.
#[derive(Clone, Copy, Debug)]
enum Does {
    Fails,
    TimesOut,
    Panics,
    Blocks,
    Waits,
}

const LONG: Duration = Duration::from_secs(60);

impl Does {
    async fn it(self) -> OTelSdkResult {
        match self {
            Self::Fails => Err(OTelSdkError::InternalFailure("no disk".into())),
            Self::TimesOut => Err(OTelSdkError::Timeout(LONG)),
            Self::Panics => panic!("as it should"),
            // Not a sleep: a thread that nothing wakes.
            Self::Blocks => loop {
                std::thread::park();
            },
            Self::Waits => {
                tokio::time::sleep(LONG).await;
                Ok(())
            }
        }
    }
}

impl SpanExporter for Does {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        self.it().await
    }
}

impl PushMetricExporter for Does {
    async fn export(&self, _: &ResourceMetrics) -> OTelSdkResult {
        self.it().await
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn builder() -> TelemetryBuilder {
    Telemetry::builder("shop").lookup(|_| None).without_globals()
}

fn record(telemetry: &Telemetry, spans: usize) {
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    for _ in 0..spans {
        tracer.start("a span").end();
    }
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
}

#[test]
fn given_exporter_losses_are_counted_and_shutdown_is_bounded() {
    for (does, loss) in [
        (Does::Fails, Loss::Failed),
        (Does::TimesOut, Loss::TimedOut),
        (Does::Panics, Loss::Failed),
        (Does::Blocks, Loss::TimedOut),
        (Does::Waits, Loss::TimedOut),
    ] {
        let timeout = Duration::from_secs(1);
        let builder = builder().shutdown_timeout(timeout).span_exporter(does).metric_exporter(does);
        let telemetry = builder.build().unwrap();
        // More than a batch, and less than the queue.
        record(&telemetry, 1_000);
        let begin = Instant::now();
        let report = telemetry.shutdown_blocking();
        assert!(begin.elapsed() < timeout + Duration::from_millis(800), "{does:?}: {:?}", begin.elapsed());
        assert_eq!(
            (report.spans().lost_by(loss), report.spans().lost()),
            (1_000, 1_000),
            "{does:?}: {report}"
        );
        let exports = report.metric_exports();
        assert_eq!((exports.lost_by(loss), exports.lost()), (1, 1), "{does:?}: {report}");
    }
}

#[test]
fn given_blocking_exporter_of_opentelemetry_otlp_delivers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receiver = runtime.block_on(Receiver::start()).unwrap();
    let http = |path: &str| format!("{}/v1/{path}", receiver.http_endpoint());
    // This build's reqwest has TLS without a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let spans = OtlpSpans::builder().with_http().with_protocol(Protocol::HttpBinary);
    let metrics = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let builder = builder()
        .span_exporter(spans.with_endpoint(http("traces")).build().unwrap())
        .metric_exporter(metrics.with_endpoint(http("metrics")).build().unwrap());
    let telemetry = builder.build().unwrap();
    record(&telemetry, 1_000);
    let report = telemetry.shutdown_blocking();
    assert!(report.is_complete() && report.spans().delivered() == 1_000, "{report}");
    assert_eq!(receiver.span_ids().len(), 1_000);
    assert!(receiver.spans().iter().all(|span| span.resource_service == "shop"));
    let names = receiver.metrics();
    let exported = names.iter().find(|metric| metric.name() == "otel.sdk.exporter.span.exported").unwrap();
    let kinds: Vec<_> =
        exported.points().iter().map(|point| point.attr("otel.component.type").unwrap().to_owned()).collect();
    assert!(kinds.iter().all(|kind| kind.ends_with("::SpanExporter")), "{kinds:?}");
    // A rate sees the first loss.
    let points = exported.points();
    let lost: BTreeSet<_> = points.iter().filter_map(|point| point.attr("error.type")).collect();
    assert_eq!(lost, BTreeSet::from(["broken", "failed", "refused", "rejected", "timed_out"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_tonic_exporter_of_opentelemetry_otlp_delivers() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.grpc_endpoint();
    let spans = OtlpSpans::builder().with_tonic().with_endpoint(endpoint.clone()).build().unwrap();
    let metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build().unwrap();
    let telemetry = builder().span_exporter(spans).metric_exporter(metrics).build().unwrap();
    record(&telemetry, 1_000);
    let report = telemetry.shutdown().await;
    assert!(report.is_complete() && receiver.span_ids().len() == 1_000, "{report}");
    assert!(receiver.metric_names().contains("a.counter"));
}
