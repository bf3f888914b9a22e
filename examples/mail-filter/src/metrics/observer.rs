//! The stages of each request, by host and scheme.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use tower_outbound::event::ConnectResult;
use tower_outbound::{Event, Observer, Origin};
use tower_outbound_telemetry::Telemetry;

use super::{counter, meter, seconds};

/// Records `milter.outbound.*`. A request whose body fails midway counts as any other.
#[derive(Debug)]
pub struct MilterObserver {
    connect: Histogram<f64>,
    ttfb: Histogram<f64>,
    body_read: Histogram<f64>,
    new_connections: Counter<u64>,
    requests: Counter<u64>,
}

impl MilterObserver {
    /// Instruments of this pipeline.
    #[must_use]
    pub fn new(telemetry: Option<&Telemetry>) -> Self {
        let meter = meter(telemetry);
        Self {
            connect: seconds(&meter, "milter.outbound.connect", "DNS, TCP and TLS of each new connection."),
            ttfb: seconds(
                &meter,
                "milter.outbound.ttfb",
                "Begin of a request until the first byte of its answer.",
            ),
            body_read: seconds(&meter, "milter.outbound.body_read", "First byte of an answer until its end."),
            new_connections: counter(
                &meter,
                "milter.outbound.new_connections",
                "Connections that were opened.",
            ),
            requests: counter(&meter, "milter.outbound.requests", "Requests that were sent, retries too."),
        }
    }
}

impl Observer for MilterObserver {
    fn on_event(&self, event: &Event<'_>) {
        match event {
            Event::ConnectEnded { setup, result: ConnectResult::Connected(_), .. } => {
                let labels = labels(setup.origin());
                self.new_connections.add(1, &labels);
                if let Some(duration) = setup.duration() {
                    self.connect.record(duration.as_secs_f64(), &labels);
                }
            }
            Event::AttemptEnded { attempt, .. } => {
                let labels = labels(attempt.origin());
                self.requests.add(1, &labels);
                let timings = attempt.timings();
                if let Some(first_byte) = timings.cumulative().first_byte {
                    self.ttfb.record(first_byte.as_secs_f64(), &labels);
                    let body = timings.total().unwrap_or_default().saturating_sub(first_byte);
                    self.body_read.record(body.as_secs_f64(), &labels);
                }
            }
            _ => {}
        }
    }

    fn wants_attempt_phases(&self) -> bool {
        false
    }
}

fn labels(origin: &Origin) -> [KeyValue; 2] {
    [KeyValue::new("host", origin.host_shared()), KeyValue::new("scheme", origin.scheme().to_owned())]
}
