//! Every item arrives: each protocol, compression and kind of connection.

use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{COLLECTOR, Collector, Entrance};
use outbound_tests::secret;
use tower_outbound_otel::{OtelObserverBuilder, Phases};
use tower_outbound_telemetry::OtlpProtocol::{self, Grpc, HttpJson, HttpProtobuf};

use crate::model::{Attributes, Span, Value};
use crate::pipeline::{Options, Pipeline, RESOURCE};
use crate::{compare, disk, traffic};

pub(crate) const RECEIVER: &str = include_str!("../peers/collector/receiver.yaml");

const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// One way to export.
struct Cell {
    name: &'static str,
    options: Options,
    observer: fn(OtelObserverBuilder) -> OtelObserverBuilder,
}

fn cell(name: &'static str, protocol: OtlpProtocol, entrance: Entrance) -> Cell {
    let options = Options { protocol, entrance, variables: Vec::new() };
    Cell { name, options, observer: |observer| observer }
}

impl Cell {
    fn with(mut self, variable: &'static str, value: &'static str) -> Cell {
        self.options.variables.push((variable, value));
        self
    }
}

fn cells() -> Vec<Cell> {
    use Entrance::{MutualTls, Plain, Tls, Token};
    vec![
        cell("grpc_plain", Grpc, Plain),
        cell("grpc_gzip", Grpc, Plain).with(COMPRESSION, "gzip"),
        cell("grpc_zstd", Grpc, Plain).with(COMPRESSION, "zstd"),
        cell("grpc_tls", Grpc, Tls),
        cell("grpc_mutual_tls", Grpc, MutualTls),
        cell("grpc_header", Grpc, Token),
        cell("grpc_exponential_histograms", Grpc, Plain)
            .with(HISTOGRAMS, "base2_exponential_bucket_histogram"),
        Cell { observer: |observer| observer.phases(Phases::Events), ..cell("grpc_events", Grpc, Plain) },
        cell("http_plain", HttpProtobuf, Plain),
        cell("http_gzip", HttpProtobuf, Plain).with(COMPRESSION, "gzip"),
        cell("http_zstd", HttpProtobuf, Plain).with(COMPRESSION, "zstd"),
        cell("http_json", HttpJson, Plain),
        cell("http_json_tls_gzip", HttpJson, Tls).with(COMPRESSION, "gzip"),
        cell("http_json_zstd", HttpJson, Plain).with(COMPRESSION, "zstd"),
        cell("http_tls", HttpProtobuf, Tls),
        cell("http_mutual_tls_gzip", HttpProtobuf, MutualTls).with(COMPRESSION, "gzip"),
        cell("http_header", HttpProtobuf, Token),
        cell("http_delta", HttpProtobuf, Plain).with(TEMPORALITY, "delta"),
        cell("http_low_memory", HttpProtobuf, Plain).with(TEMPORALITY, "lowmemory"),
    ]
}

pub(crate) fn checks() -> Vec<Check> {
    let checks = cells().into_iter();
    checks.map(|cell| Check::new(&format!("arrives::{}", cell.name), COLLECTOR, || arrives(cell))).collect()
}

/// Every span, link, event, attribute, metric, point and resource, each once.
async fn arrives(cell: Cell) {
    let mut collector = Collector::start(&[RECEIVER]).await.unwrap();
    let pipeline = Pipeline::start(&collector, &cell.options);
    traffic::run(&pipeline, cell.observer).await;
    let sent = pipeline.end().await;
    collector.end().await.unwrap();
    let report = &sent.report;
    assert!(report.is_complete(), "{report}\n{}", collector.output());

    let (traces, metrics) = (collector.read("traces.jsonl"), collector.read("metrics.jsonl"));
    assert!(traces.contains("REDACTED") && !secret::is_in(&traces) && !secret::is_in(&metrics));
    let (resources, spans): (Vec<_>, Vec<_>) = disk::spans(&traces).into_iter().unzip();
    let exports = disk::exports(&metrics);
    let delivered = (report.spans().delivered(), report.metric_exports().delivered());
    assert_eq!(delivered, (spans.len() as u64, exports.len() as u64), "{report}");
    for resource in resources.iter().chain(exports.iter().map(|export| &export.resource)) {
        is_ours(resource);
    }
    let links = sent.spans.iter().filter(|span| span.scope.name == "tower-outbound-otel");
    assert!(links.flat_map(|span| &span.links).count() > 3, "links to connection setups");
    println!(
        "{}: {} spans, {} metrics, {} points",
        cell.name,
        spans.len(),
        sent.metrics.len(),
        sent.metrics.values().map(|metric| metric.points.len()).sum::<usize>()
    );
    let (mut sent_spans, mut spans) = (sent.spans, spans);
    if cell.options.protocol == OtlpProtocol::HttpJson {
        // The exporter writes `null` for it, and the delivery the number that it may have been.
        let [sent, got] = [&mut sent_spans, &mut spans].map(|spans| take_infinite(spans));
        assert!(!sent.is_empty() && sent.iter().all(|value| *value == f64::NEG_INFINITY), "{sent:?}");
        assert!(got.len() == sent.len() && got.iter().all(|value| value.is_nan()), "{got:?}");
    }
    compare::same_spans(sent_spans, spans);
    compare::same_metrics(sent.metrics, exports.into_iter().last().unwrap().metrics);
}

fn take_infinite(spans: &mut [Span]) -> Vec<f64> {
    let attributes = spans.iter_mut().flat_map(|span| {
        let events = span.events.iter_mut().map(|event| &mut event.attributes);
        let links = span.links.iter_mut().map(|link| &mut link.attributes);
        [&mut span.attributes].into_iter().chain(events).chain(links)
    });
    let taken = attributes.filter_map(|attributes| attributes.remove("infinite"));
    taken.map(|value| if let Value::Double(value) = value { value } else { panic!("{value:?}") }).collect()
}

fn is_ours(resource: &Attributes) {
    let (sdk, ours): (Attributes, Attributes) =
        resource.clone().into_iter().partition(|(key, _)| key.starts_with("telemetry.sdk."));
    let text = |(key, value): (&str, &str)| (key.to_owned(), Value::Text(value.to_owned()));
    assert_eq!(ours, RESOURCE.map(text).into());
    let sdk = Vec::from_iter(sdk.keys());
    assert_eq!(sdk, ["telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version"]);
}
