//! OpenTelemetry spans and metrics from tower-outbound's events.

mod clock;
mod exchange_span;
mod labels;
mod methods;
mod metrics;
mod names;
mod observer;
mod options;
mod phases;
mod propagate;
mod redact;
mod setup_span;
mod target;
#[cfg(feature = "otlp")]
mod telemetry;

pub use self::labels::Hosts;
pub use self::observer::OtelObserver;
pub use self::options::{MetricLabel, Metrics, OtelObserverBuilder, Phases};
pub use self::propagate::{NoPropagation, Propagate, PropagateLayer, PropagateService};
pub use self::redact::RedactQuery;
#[cfg(feature = "otlp")]
pub use self::telemetry::{OtlpProtocol, Telemetry, TelemetryBuilder, TelemetryError, Warning};
