//! Every setting, resolved.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SpanLimits};

use uuid::Builder;

use super::batch::Batch;
use super::choices::{Choices, Lookup};
use super::destinations::Destinations;
use super::propagators::{Propagator, propagator};
use super::reader::Reader;
use super::variables::{METRICS, TRACES};
use crate::Warning;

const INSTANCE_ID: &str = "service.instance.id";

/// The resolved settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) service: String,
    /// Nothing at all is recorded.
    pub(crate) disabled: bool,
    /// The resource's attributes that the environment replaces: a random `service.instance.id`, and those of the code.
    pub(crate) given: Vec<KeyValue>,
    /// The environment's attributes, without `service.name`.
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
            .with_attributes(self.given.iter().chain(&self.resource).cloned())
            .with_service_name(self.service.clone())
            .build()
    }

    pub(crate) fn propagator(&self) -> TextMapCompositePropagator {
        propagator(&self.propagators)
    }

    pub(crate) fn resolve(choices: &Choices, lookup: &Lookup) -> Self {
        let mut reader = Reader::new(lookup);
        let disabled = reader.flag(&["OTEL_SDK_DISABLED"]);
        let (traces, metrics) = if disabled {
            (Destinations::default(), Destinations::default())
        } else {
            (reader.destinations(&TRACES, choices), reader.destinations(&METRICS, choices))
        };
        let (service, resource) = reader.service_and_resource(&choices.service);
        let settings = Self {
            service,
            disabled,
            given: [instance()].into_iter().chain(choices.resource.iter().cloned()).collect(),
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

/// A random `service.instance.id`: without one, the replicas of a service share their series.
fn instance() -> KeyValue {
    let id = Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
    KeyValue::new(INSTANCE_ID, id.to_string())
}

#[cfg(test)]
mod tests;
