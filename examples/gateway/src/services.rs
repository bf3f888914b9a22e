//! The three services, each with a pipeline of its own: they share this process, and nothing of their telemetry.

use std::fmt;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tower_outbound_telemetry::{Loss, Report, Tally, Telemetry, TelemetryBuilder, TelemetryError};

/// The `service.name` of the caller's spans.
pub(crate) const CALLER: &str = "caller";
/// The `service.name` of the twin's spans.
pub(crate) const TWIN: &str = "twin";
/// The variables rename only this service.
pub(crate) const GATEWAY: &str = "gateway";

/// The pipelines. The process's globals are those of the gateway.
pub(crate) struct Services {
    pub(crate) caller: Telemetry,
    pub(crate) gateway: Telemetry,
    pub(crate) twin: Telemetry,
}

impl Services {
    /// Starts the pipelines. `configure` gets the name of each.
    pub(crate) fn start(
        configure: impl Fn(&'static str, TelemetryBuilder) -> TelemetryBuilder,
    ) -> Result<Services, TelemetryError> {
        let other = |name: &'static str| {
            let builder = Telemetry::builder(name).lookup(move |key| variable(name, key));
            configure(name, builder).without_globals().build()
        };
        // Before the gateway's pipeline, which logs the warnings: all have the same ones.
        let (caller, twin) = (other(CALLER)?, other(TWIN)?);
        Ok(Services { caller, gateway: configure(GATEWAY, Telemetry::builder(GATEWAY)).build()?, twin })
    }

    /// The pipeline of the service.
    pub(crate) fn of(&self, name: &str) -> &Telemetry {
        match name {
            CALLER => &self.caller,
            TWIN => &self.twin,
            _ => &self.gateway,
        }
    }

    /// Exports pending telemetry. Blocks.
    pub(crate) fn flush(&self) {
        std::thread::scope(|scope| {
            for telemetry in [&self.caller, &self.gateway, &self.twin] {
                // The report at the end has the losses.
                scope.spawn(|| drop(telemetry.force_flush()));
            }
        });
    }

    /// Exports pending telemetry and ends the pipelines, all at once.
    pub(crate) async fn shutdown(self) -> Exported {
        let Services { caller, gateway, twin } = self;
        let (caller, gateway, twin) = tokio::join!(caller.shutdown(), gateway.shutdown(), twin.shutdown());
        Exported([caller, gateway, twin])
    }
}

/// A variable of the environment, as the service reads it: the variables rename only the gateway.
pub(crate) fn variable(service: &str, key: &str) -> Option<String> {
    match key {
        // Also outranks a name in OTEL_RESOURCE_ATTRIBUTES.
        "OTEL_SERVICE_NAME" if service != GATEWAY => Some(service.to_owned()),
        _ => std::env::var(key).ok(),
    }
}

/// A tracer of the service.
pub(crate) fn tracer(telemetry: &Telemetry, service: &'static str) -> SdkTracer {
    let off = || SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    telemetry.tracer_provider().cloned().unwrap_or_else(off).tracer(service)
}

/// What the pipelines exported. Displays as one [`Report`] of all.
pub(crate) struct Exported([Report; 3]);

impl Exported {
    /// Whether nothing was lost.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.iter().all(Report::is_complete)
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exported(reports) = self;
        write!(f, "spans: {}; ", Sum(reports.map(|report| *report.spans())))?;
        write!(f, "metric exports: {}", Sum(reports.map(|report| *report.metric_exports())))
    }
}

struct Sum([Tally; 3]);

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |count: &dyn Fn(&Tally) -> u64| self.0.iter().map(count).sum::<u64>();
        write!(f, "{} delivered, {} lost", sum(&Tally::delivered), sum(&Tally::lost))?;
        let losses = Loss::ALL.map(|reason| (reason, sum(&|tally| tally.lost_by(reason))));
        let losses = losses.iter().filter(|(_, count)| *count > 0);
        let losses: Vec<_> = losses.map(|(reason, count)| format!("{reason} {count}")).collect();
        if losses.is_empty() { Ok(()) } else { write!(f, " ({})", losses.join(", ")) }
    }
}
