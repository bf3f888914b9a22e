//! The pipeline's own metrics.
//!
//! Source: the semantic conventions for OpenTelemetry SDK metrics, `otel.sdk.*`.

use std::sync::Arc;

use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry::{KeyValue, Value};

use super::stats::ExportStats;
use crate::settings::OtlpProtocol;
use crate::{Loss, Tally};

const COMPONENT_NAME: &str = "otel.component.name";
const COMPONENT_TYPE: &str = "otel.component.type";
const ERROR_TYPE: &str = "error.type";

/// The sources of the metrics.
pub(crate) struct SelfMetrics {
    pub(crate) stats: Arc<ExportStats>,
    /// The protocol of spans; `None` if they are not exported.
    pub(crate) traces: Option<OtlpProtocol>,
    pub(crate) metrics: OtlpProtocol,
}

impl SelfMetrics {
    /// Registers observable counters, which cost nothing between collections.
    pub(crate) fn register(self, meter: &Meter) {
        if let Some(protocol) = self.traces {
            let processor = Component { name: "batching_span_processor/0", kind: "batching_span_processor" };
            let (stats, exporter) = (Arc::clone(&self.stats), Component::exporter(protocol, "span"));
            meter
                .u64_observable_counter("otel.sdk.processor.span.processed")
                .with_unit("{span}")
                .with_description("Spans accepted for export, or dropped before")
                .with_callback(move |observer| {
                    let tally = stats.spans.tally();
                    let dropped = [Loss::QueueFull, Loss::ShutDown];
                    let lost: u64 = dropped.iter().map(|reason| tally.lost_by(*reason)).sum();
                    observer.observe(tally.delivered() + tally.lost() - lost, &processor.labels(None));
                    for reason in dropped.into_iter().filter(|reason| tally.lost_by(*reason) > 0) {
                        observer.observe(tally.lost_by(reason), &processor.labels(Some(reason)));
                    }
                })
                .build();
            let stats = Arc::clone(&self.stats);
            meter
                .u64_observable_counter("otel.sdk.exporter.span.exported")
                .with_unit("{span}")
                .with_description("Spans that the receiver acknowledged, or that were lost")
                .with_callback(move |observer| exporter.observe(observer, &stats.spans.tally()))
                .build();
        }
        let (stats, exporter) = (self.stats, Component::exporter(self.metrics, "metric"));
        meter
            .u64_observable_counter("otel.sdk.exporter.metric_data_point.exported")
            .with_unit("{data_point}")
            .with_description("Data points that the receiver acknowledged, or that were lost")
            .with_callback(move |observer| exporter.observe(observer, &stats.data_points.tally()))
            .build();
    }
}

/// A component of the pipeline, with the convention's names.
struct Component {
    name: &'static str,
    kind: &'static str,
}

impl Component {
    fn exporter(protocol: OtlpProtocol, of: &str) -> Self {
        let (name, kind) = match (protocol, of) {
            (OtlpProtocol::Grpc, "span") => ("otlp_grpc_span_exporter/0", "otlp_grpc_span_exporter"),
            (OtlpProtocol::Grpc, _) => ("otlp_grpc_metric_exporter/0", "otlp_grpc_metric_exporter"),
            (OtlpProtocol::HttpProtobuf, "span") => ("otlp_http_span_exporter/0", "otlp_http_span_exporter"),
            (OtlpProtocol::HttpProtobuf, _) => ("otlp_http_metric_exporter/0", "otlp_http_metric_exporter"),
        };
        Self { name, kind }
    }

    fn observe(&self, observer: &dyn AsyncInstrument<u64>, tally: &Tally) {
        observer.observe(tally.delivered(), &self.labels(None));
        let on_the_way = |reason: &(Loss, u64)| !matches!(reason.0, Loss::QueueFull | Loss::ShutDown);
        for (reason, lost) in tally.losses().filter(on_the_way) {
            observer.observe(lost, &self.labels(Some(reason)));
        }
    }

    fn labels(&self, loss: Option<Loss>) -> Vec<KeyValue> {
        let error = loss.map(|loss| KeyValue::new(ERROR_TYPE, Value::from(loss.as_str())));
        let component = [KeyValue::new(COMPONENT_NAME, self.name), KeyValue::new(COMPONENT_TYPE, self.kind)];
        error.into_iter().chain(component).collect()
    }
}
