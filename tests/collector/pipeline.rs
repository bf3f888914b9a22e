//! A pipeline to a Collector, and the SDK's copy of what it exports.

use opentelemetry_sdk::metrics::{
    Aggregation, InMemoryMetricExporter, InMemoryMetricExporterBuilder, Instrument, InstrumentKind,
    SdkMeterProvider, Stream, Temporality,
};
use outbound_tests::peers::{Collector, Entrance};
use outbound_tests::recorder::Recorder;
use tower_outbound::Outbound;
use tower_outbound_otel::{OtelObserver, OtelObserverBuilder};
use tower_outbound_telemetry::{OtlpProtocol, Report, Telemetry};

use crate::memory;
use crate::model::{Metrics, Span};
use crate::tee::Tee;

/// How a pipeline exports.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) protocol: OtlpProtocol,
    pub(crate) entrance: Entrance,
    pub(crate) variables: Vec<(&'static str, &'static str)>,
}

pub(crate) struct Pipeline {
    pub(crate) telemetry: Telemetry,
    /// The pipeline's tracer provider, and the copy.
    pub(crate) spans: Tee,
    /// Beside the pipeline's meter provider.
    pub(crate) meters: SdkMeterProvider,
    metrics: InMemoryMetricExporter,
    pub(crate) recorder: Recorder,
}

/// The copy, and what the pipeline says of the export.
pub(crate) struct Sent {
    pub(crate) spans: Vec<Span>,
    pub(crate) metrics: Metrics,
    pub(crate) report: Report,
}

/// Attributes of the resource that are not the SDK's.
pub(crate) const RESOURCE: [(&str, &str); 4] =
    [("service.name", "checks"), ("service.instance.id", "one"), ("a,b", "c=ä"), ("empty", "")];

impl Pipeline {
    pub(crate) fn start(collector: &Collector, options: &Options) -> Pipeline {
        let Options { protocol, entrance, variables } = options.clone();
        let files = ["ca.pem", "leaf.pem", "leaf.key"].map(|file| collector.path(file).display().to_string());
        let token = format!("authorization=Bearer%20{}", Collector::TOKEN);
        let lookup = move |key: &str| {
            let given = variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
            given.or_else(|| match (key, entrance) {
                ("OTEL_RESOURCE_ATTRIBUTES", _) => {
                    Some("service.instance.id=one,a%2Cb=c%3D%C3%A4,empty=".to_owned())
                }
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", Entrance::Tls | Entrance::MutualTls) => {
                    Some(files[0].clone())
                }
                ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", Entrance::MutualTls) => Some(files[1].clone()),
                ("OTEL_EXPORTER_OTLP_CLIENT_KEY", Entrance::MutualTls) => Some(files[2].clone()),
                ("OTEL_EXPORTER_OTLP_HEADERS", Entrance::Token) => Some(token.clone()),
                _ => None,
            })
        };
        let builder = Telemetry::builder("checks").lookup(lookup).without_globals();
        let builder = builder.protocol(protocol).endpoint(endpoint(collector, protocol, entrance));
        let telemetry = builder.build().unwrap();
        assert_eq!(telemetry.warnings().len(), 0, "{:?}", telemetry.warnings());
        let (metrics, meters) = copy(&options.variables);
        let spans = Tee::new(telemetry.tracer_provider().unwrap());
        Pipeline { telemetry, spans, meters, metrics, recorder: Recorder::new() }
    }

    /// Its requests are recorded by the pipeline, and their metrics by the copy too.
    pub(crate) fn outbound(&self, options: fn(OtelObserverBuilder) -> OtelObserverBuilder) -> Outbound {
        let observer = self.telemetry.observer().tracer_provider(&self.spans);
        // Its spans go to the global provider, which is none.
        let copy = OtelObserver::builder().meter_provider(&self.meters);
        Outbound::builder()
            .observer(options(observer).build())
            .observer(options(copy).build())
            .observer(self.recorder.clone())
            .build()
    }

    /// Exports the rest. Every request and connection must have ended.
    pub(crate) async fn end(self) -> Sent {
        self.recorder.settled().await;
        let spans = self.spans.spans().iter().map(memory::span).collect();
        self.meters.force_flush().unwrap();
        let collected = self.metrics.get_finished_metrics().unwrap();
        let metrics = memory::metrics(collected.last().unwrap());
        Sent { spans, metrics, report: self.telemetry.shutdown().await }
    }
}

fn endpoint(collector: &Collector, protocol: OtlpProtocol, entrance: Entrance) -> String {
    let scheme = match entrance {
        Entrance::Tls | Entrance::MutualTls => "https",
        Entrance::Plain | Entrance::Token => "http",
    };
    let address = match protocol {
        OtlpProtocol::Grpc => collector.grpc_address(entrance),
        _ => collector.http_address(entrance),
    };
    format!("{scheme}://{address}")
}

/// As these variables ask for.
fn copy(variables: &[(&str, &str)]) -> (InMemoryMetricExporter, SdkMeterProvider) {
    let has = |wanted: &str| variables.iter().any(|(_, value)| *value == wanted);
    let temporality = match (has("delta"), has("lowmemory")) {
        (true, _) => Temporality::Delta,
        (_, true) => Temporality::LowMemory,
        _ => Temporality::Cumulative,
    };
    let metrics = InMemoryMetricExporterBuilder::new().with_temporality(temporality).build();
    let mut meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone());
    if has("base2_exponential_bucket_histogram") {
        meters = meters.with_view(|instrument: &Instrument| {
            // The specification's defaults.
            let exponential =
                Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
            let histogram = instrument.kind() == InstrumentKind::Histogram;
            histogram.then(|| Stream::builder().with_aggregation(exponential).build().unwrap())
        });
    }
    (metrics, meters.build())
}
