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
    /// `None` if spans are not exported.
    pub(crate) traces: Option<Component>,
    pub(crate) metrics: Component,
}

impl SelfMetrics {
    /// Registers observable counters, which cost nothing between collections.
    pub(crate) fn register(self, meter: &Meter) {
        if let Some(exporter) = self.traces {
            let processor = Component { kind: "batching_span_processor" };
            let stats = Arc::clone(&self.stats);
            meter
                .u64_observable_counter("otel.sdk.processor.span.processed")
                .with_unit("{span}")
                .with_description("Spans accepted for export, or dropped before")
                .with_callback(move |observer| {
                    let tally = stats.spans.tally();
                    let dropped = [Loss::QueueFull, Loss::ShutDown];
                    let lost: u64 = dropped.iter().map(|reason| tally.lost_by(*reason)).sum();
                    observer.observe(tally.delivered() + tally.lost() - lost, &processor.labels(None));
                    // With 0 from the start: a rate sees the first loss.
                    for reason in dropped {
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
        let (stats, exporter) = (self.stats, self.metrics);
        meter
            .u64_observable_counter("otel.sdk.exporter.metric_data_point.exported")
            .with_unit("{data_point}")
            .with_description("Data points that the receiver acknowledged, or that were lost")
            .with_callback(move |observer| exporter.observe(observer, &stats.data_points.tally()))
            .build();
    }
}

/// A component of the pipeline, with the convention's names.
pub(crate) struct Component {
    kind: &'static str,
}

impl Component {
    /// The exporter of spans or metrics; a given one is named by its type.
    pub(crate) fn exporter(given: Option<&'static str>, protocol: OtlpProtocol, of: &str) -> Self {
        let kind = match (protocol, of) {
            (OtlpProtocol::Grpc, "span") => "otlp_grpc_span_exporter",
            (OtlpProtocol::Grpc, _) => "otlp_grpc_metric_exporter",
            (OtlpProtocol::HttpProtobuf, "span") => "otlp_http_span_exporter",
            (OtlpProtocol::HttpProtobuf, _) => "otlp_http_metric_exporter",
            (OtlpProtocol::HttpJson, "span") => "otlp_http_json_span_exporter",
            (OtlpProtocol::HttpJson, _) => "otlp_http_json_metric_exporter",
        };
        Self { kind: given.unwrap_or(kind) }
    }

    fn observe(&self, observer: &dyn AsyncInstrument<u64>, tally: &Tally) {
        observer.observe(tally.delivered(), &self.labels(None));
        let on_the_way = |reason: &Loss| !matches!(reason, Loss::QueueFull | Loss::ShutDown);
        for reason in Loss::ALL.into_iter().filter(on_the_way) {
            observer.observe(tally.lost_by(reason), &self.labels(Some(reason)));
        }
    }

    fn labels(&self, loss: Option<Loss>) -> Vec<KeyValue> {
        let error = loss.map(|loss| KeyValue::new(ERROR_TYPE, Value::from(loss.as_str())));
        let component = [
            KeyValue::new(COMPONENT_NAME, format!("{}/0", self.kind)),
            KeyValue::new(COMPONENT_TYPE, self.kind),
        ];
        error.into_iter().chain(component).collect()
    }
}
