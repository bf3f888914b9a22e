//! The names that the predecessor's dashboards and alerts use, made of the events of the client.
//!
//! They go where every metric goes: to the OTLP export, and to the page for Prometheus.

mod observer;
mod page;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use tokio::time::Instant;
use tower_outbound_telemetry::Telemetry;

pub use self::observer::MilterObserver;
pub use self::page::Page;
use crate::Verdict;

/// Those of `outbound.*.duration`.
const SECONDS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];
/// The classes of `milter_errors_total`, which exist with 0 from the start.
const CLASSES: [&str; 4] = ["timeout", "connection_refused", "connection_reset", "network_error"];

/// The instruments of the service.
#[derive(Clone, Debug)]
pub struct Metrics {
    webhook_duration: Histogram<f64>,
    upload_duration: Histogram<f64>,
    webhook_calls: Counter<u64>,
    upload_calls: Counter<u64>,
    errors: Counter<u64>,
}

impl Metrics {
    /// Instruments of this pipeline; of the global one if it has no metrics.
    #[must_use]
    pub fn new(telemetry: Option<&Telemetry>) -> Self {
        let meter = meter(telemetry);
        let metrics = Self {
            webhook_duration: seconds(
                &meter,
                "milter.webhook.duration",
                "Calls of the webhook, with retries.",
            ),
            upload_duration: seconds(&meter, "milter.storage.upload.duration", "Uploads, with retries."),
            webhook_calls: counter(&meter, "milter.webhook.calls", "Calls of the webhook, by verdict."),
            upload_calls: counter(&meter, "milter.storage.upload.calls", "Uploads, by outcome."),
            errors: counter(&meter, "milter.errors", "Failures, by class."),
        };
        for class in CLASSES {
            metrics.errors.add(0, &[KeyValue::new("error_type", class)]);
        }
        metrics
    }

    pub(crate) fn asked(&self, start: Instant, verdict: Verdict) {
        self.webhook_duration.record(start.elapsed().as_secs_f64(), &[]);
        self.webhook_calls.add(1, &[KeyValue::new("verdict", verdict.as_str())]);
    }

    pub(crate) fn uploaded(&self, start: Instant, ok: bool) {
        self.upload_duration.record(start.elapsed().as_secs_f64(), &[]);
        self.upload_calls.add(1, &[KeyValue::new("outcome", if ok { "ok" } else { "failed" })]);
    }

    pub(crate) fn failed(&self, error_type: &'static str) {
        self.errors.add(1, &[KeyValue::new("error_type", error_type)]);
    }
}

fn meter(telemetry: Option<&Telemetry>) -> Meter {
    match telemetry.and_then(Telemetry::meter_provider) {
        Some(provider) => provider.meter("mail-filter"),
        None => opentelemetry::global::meter("mail-filter"),
    }
}

fn seconds(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
    histogram.with_boundaries(SECONDS.to_vec()).build()
}

fn counter(meter: &Meter, name: &'static str, description: &'static str) -> Counter<u64> {
    meter.u64_counter(name).with_description(description).build()
}
