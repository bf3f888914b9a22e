//! The `tracing` subscriber: the log on stderr, and the application's spans as OpenTelemetry's.

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Subscriber;
use tracing::subscriber::set_global_default;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

use crate::{TelemetryError, Warning};

/// The SDK says what it could not export, and not that it was set up.
const FILTER: &str = "info,opentelemetry=warn";

/// The bridge from `tracing`, without what costs and says little.
pub(crate) fn layer<S>(traces: &SdkTracerProvider) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_tracer(traces.tracer(env!("CARGO_PKG_NAME")))
}

/// Installs the subscriber.
///
/// # Errors
/// When there is one.
pub(crate) fn install(
    traces: Option<&SdkTracerProvider>,
    filter: Option<&str>,
) -> Result<Option<Warning>, TelemetryError> {
    let mut warning = None;
    let filter = filter.unwrap_or(FILTER);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| {
        warning = Some(Warning::new("RUST_LOG", filter, FILTER));
        EnvFilter::new(FILTER)
    });
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter).with(log).with(traces.map(layer));
    // `try_init` also sets the logger of the crate `log` where a feature that we do not have is on, and fails
    // after it has set the subscriber if the process has a logger already.
    set_global_default(registry).map_err(|_| {
        let instead = "use `Telemetry::builder(..).without_subscriber()` and add its `layer()` to that one";
        TelemetryError::already_set("tracing subscriber", instead)
    })?;
    Ok(warning)
}
