use std::fmt;
use std::time::Duration;

use tower_outbound::OutboundClient;
use tower_outbound_otel::keep::Keep;

use crate::handle::{LONGEST_LIMIT, SHUTDOWN_LIMIT};
use crate::pipeline::{Choices, Pipeline};
use crate::settings::Settings;
use crate::{Telemetry, TelemetryError};

/// Gives the value of a variable.
pub(crate) type Lookup = dyn Fn(&str) -> Option<String> + Send;

/// How OTLP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// `grpc`, port 4317 by default.
    Grpc,
    /// `http/protobuf`, port 4318 by default.
    HttpProtobuf,
}

/// Options of a [`Telemetry`].
#[must_use = "a builder does nothing until `build`"]
pub struct TelemetryBuilder {
    pub(crate) service: String,
    pub(crate) protocol: Option<OtlpProtocol>,
    pub(crate) endpoint: Option<String>,
    lookup: Box<Lookup>,
    globals: bool,
    subscriber: bool,
    shutdown_limit: Duration,
    client: Option<OutboundClient>,
    keep: Option<Keep>,
}

impl TelemetryBuilder {
    pub(crate) fn new(service: String) -> Self {
        Self {
            service,
            protocol: None,
            endpoint: None,
            lookup: Box::new(|key| std::env::var(key).ok()),
            globals: true,
            subscriber: true,
            shutdown_limit: SHUTDOWN_LIMIT,
            client: None,
            keep: None,
        }
    }

    /// Where values come from in place of the process's environment.
    pub fn lookup(mut self, lookup: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        self.lookup = Box::new(lookup);
        self
    }

    /// The protocol, whatever the environment says.
    pub fn protocol(mut self, protocol: OtlpProtocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Where to send to, whatever the environment says; HTTP adds `/v1/traces` and `/v1/metrics`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Leaves the `tracing` subscriber to the application: see [`Telemetry::layer`].
    pub fn without_subscriber(mut self) -> Self {
        self.subscriber = false;
        self
    }

    /// Sets no global provider or propagator, and no subscriber: they are taken from the [`Telemetry`].
    pub fn without_globals(mut self) -> Self {
        self.globals = false;
        self.without_subscriber()
    }

    /// What a shutdown may take, whatever the receiver does: 5 s unless set, 24 days at most. The last export of
    /// metrics has 4.5 s of it.
    pub fn shutdown_limit(mut self, limit: Duration) -> Self {
        self.shutdown_limit = limit.min(LONGEST_LIMIT);
        self
    }

    /// A client to send with, in place of one that is made from the variables for certificates. Its observers see
    /// nothing of the export, which is suppressed. For gRPC it must be one that speaks
    /// [HTTP/2 only](tower_outbound::client::ClientBuilder::http2_only).
    pub fn client(mut self, client: OutboundClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Exports attempts of traces that are not sampled: see [`Keep`] for the limits. In effect for the observers of
    /// [`Telemetry::observer`].
    ///
    /// # Example
    /// ```no_run
    /// use std::time::Duration;
    /// use tower_outbound::Outbound;
    /// use tower_outbound_telemetry::{Keep, Telemetry};
    ///
    /// // With OTEL_TRACES_SAMPLER=parentbased_traceidratio and OTEL_TRACES_SAMPLER_ARG=0.01, say.
    /// let keep = Keep::new().errors().retries().first_byte_above(Duration::from_millis(500));
    /// let telemetry = Telemetry::builder("shop").keep(keep).build()?;
    /// let outbound = Outbound::builder().observer(telemetry.observer().build()).build();
    /// # let _ = outbound;
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn keep(mut self, keep: Keep) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Builds the pipeline.
    ///
    /// # Errors
    /// As [`Telemetry::from_env`].
    pub fn build(self) -> Result<Telemetry, TelemetryError> {
        let settings = Settings::resolve(&self, &*self.lookup);
        let choices = Choices {
            globals: self.globals,
            subscriber: self.subscriber,
            shutdown_limit: self.shutdown_limit,
            client: self.client,
            keep: self.keep,
        };
        Pipeline::build(&settings, choices).map(Telemetry::new)
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryBuilder")
            .field("service", &self.service)
            .field("protocol", &self.protocol)
            .field("globals", &self.globals)
            .field("subscriber", &self.subscriber)
            .finish_non_exhaustive()
    }
}
