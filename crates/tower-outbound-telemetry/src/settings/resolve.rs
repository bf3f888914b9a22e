//! Every setting, resolved.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};

use super::batch::Batch;
use super::choices::{Choices, Lookup};
use super::destinations::Destinations;
use super::propagators::{Propagator, propagator};
use super::reader::Reader;
use super::variables::{METRICS, TRACES};
use crate::Warning;

/// The resolved settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) service: String,
    /// Without `service.name`.
    pub(crate) resource: Vec<KeyValue>,
    pub(crate) traces: Destinations,
    pub(crate) metrics: Destinations,
    pub(crate) sampler: Sampler,
    pub(crate) limits: SpanLimits,
    pub(crate) batch: Batch,
    pub(crate) metric_interval: Duration,
    /// The timeout of one export, like [`Batch::timeout`].
    pub(crate) metric_timeout: Duration,
    pub(crate) temporality: Temporality,
    /// For all histograms, instead of explicit buckets.
    pub(crate) exponential_histograms: bool,
    pub(crate) propagators: Vec<Propagator>,
    /// Filter of the subscriber; `None`: the default.
    pub(crate) log_filter: Option<String>,
    pub(crate) warnings: Vec<Warning>,
}

impl Settings {
    /// The resource: service and SDK.
    pub(crate) fn resource(&self) -> Resource {
        Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_attributes(self.resource.iter().cloned())
            .with_service_name(self.service.clone())
            .build()
    }

    pub(crate) fn propagator(&self) -> TextMapCompositePropagator {
        propagator(&self.propagators)
    }

    pub(crate) fn resolve(choices: &Choices, lookup: &Lookup) -> Self {
        let mut reader = Reader::new(lookup);
        let (traces, metrics) = if reader.flag(&["OTEL_SDK_DISABLED"]) {
            (Destinations::default(), Destinations::default())
        } else {
            (reader.destinations(&TRACES, choices), reader.destinations(&METRICS, choices))
        };
        let (service, resource) = reader.service_and_resource(&choices.service);
        let settings = Self {
            service,
            resource,
            traces,
            metrics,
            sampler: reader.sampler(),
            limits: reader.limits(),
            batch: reader.batch(),
            metric_interval: reader.metric_interval(),
            metric_timeout: reader.metric_timeout(),
            temporality: reader.temporality(),
            exponential_histograms: reader.exponential_histograms(),
            propagators: reader.propagators(),
            log_filter: reader.value("RUST_LOG"),
            warnings: Vec::new(),
        };
        reader.warn_of_unsupported();
        Self { warnings: reader.into_warnings(), ..settings }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::metrics::Temporality;

    use super::super::testing::{endpoints, otlp, resolve, warned};
    use super::*;
    use crate::OtlpProtocol;

    #[test]
    fn settings_without_variables_are_specification_defaults() {
        let settings = resolve(&[]);
        let expected = ["http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"];
        assert_eq!(endpoints(&settings), expected);
        for export in otlp(&settings) {
            let all = (export.protocol, export.timeout, export.gzip, export.headers.len());
            assert_eq!(all, (OtlpProtocol::HttpProtobuf, Duration::from_secs(10), false, 0));
            assert!(export.tls.roots.is_none() && export.tls.client.is_none());
        }
        assert!(!settings.traces.console && !settings.metrics.console);
        assert_eq!(format!("{:?}", settings.sampler), "ParentBased(AlwaysOn)");
        assert_eq!(
            settings.batch,
            Batch {
                delay: Duration::from_secs(5),
                timeout: Duration::from_secs(30),
                queue: 2_048,
                size: 512
            }
        );
        assert_eq!(settings.metric_interval, Duration::from_secs(60));
        assert_eq!(settings.metric_timeout, Duration::from_secs(30));
        assert_eq!((settings.temporality, settings.exponential_histograms), (Temporality::Cumulative, false));
        assert_eq!(settings.propagators, [Propagator::TraceContext, Propagator::Baggage]);
        assert_eq!((settings.service.as_str(), settings.resource.as_slice()), ("given", [].as_slice()));
        assert_eq!((settings.log_filter.as_deref(), warned(&settings)), (None, vec![]));
    }

    #[test]
    fn settings_sdk_disabled_has_no_signals_keeps_propagation() {
        let settings = resolve(&[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_PROPAGATORS", "tracecontext")]);
        for signal in [&settings.traces, &settings.metrics] {
            assert!(signal.otlp.is_none() && !signal.console);
        }
        assert_eq!(settings.propagators, [Propagator::TraceContext]);
        assert_eq!(warned(&settings), vec![]);
        let settings = resolve(&[("OTEL_SDK_DISABLED", "yes")]);
        assert_eq!(warned(&settings), [("OTEL_SDK_DISABLED", "yes", "false")]);
        assert_eq!(otlp(&settings).len(), 2);
    }

    #[test]
    fn settings_debug_output_has_no_secrets() {
        let settings = resolve(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=marker"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:marker@collector:1/?key=marker"),
        ]);
        assert_eq!(otlp(&settings)[0].headers["authorization"], "marker");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("marker") && shown.contains("collector:1"), "{shown}");
    }
}
