use std::fmt;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::MeterProviderBuilder;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanExporter, SpanProcessor};
use tower_outbound::OutboundClient;
use tower_outbound_otel::keep::Keep;

use crate::export::Given;
use crate::pipeline::{AddProcessor, AddReader, Pipeline, PipelineOptions};
use crate::settings::{Choices, LONGEST_TIMEOUT, Lookup, OtlpProtocol, SHUTDOWN_TIMEOUT, Settings};
use crate::{Telemetry, TelemetryError};

impl Telemetry {
    /// Builds the pipeline that the environment asks for, and sets the process's global providers and propagator.
    ///
    /// It installs no `tracing` subscriber: add [`layer`](Self::layer) to your own, or ask for one with
    /// [`with_subscriber`](TelemetryBuilder::with_subscriber).
    ///
    /// # Errors
    /// If the process has a global provider already: nothing is replaced, and the error names the alternative. If the system cannot start a thread. A variable is never an error: see
    /// [`warnings`](Self::warnings).
    pub fn from_env(service: impl Into<String>) -> Result<Self, TelemetryError> {
        Self::builder(service).build()
    }

    /// Starts a pipeline with options.
    pub fn builder(service: impl Into<String>) -> TelemetryBuilder {
        TelemetryBuilder::new(service.into())
    }
}

/// Builds a [`Telemetry`].
#[must_use = "a builder does nothing until `build`"]
pub struct TelemetryBuilder {
    choices: Choices,
    lookup: Box<Lookup>,
    globals: bool,
    subscriber: bool,
    shutdown_timeout: Duration,
    client: Option<OutboundClient>,
    given: Given,
    processors: Vec<AddProcessor>,
    readers: Vec<AddReader>,
    keep: Option<Keep>,
}

impl TelemetryBuilder {
    pub(crate) fn new(service: String) -> Self {
        Self {
            choices: Choices::new(service),
            lookup: Box::new(|key| std::env::var(key).ok()),
            globals: true,
            subscriber: false,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            client: None,
            given: Given::default(),
            processors: Vec::new(),
            readers: Vec::new(),
            keep: None,
        }
    }

    /// Reads variables from this function instead of the process's environment.
    pub fn lookup(mut self, lookup: impl Fn(&str) -> Option<String> + Send + 'static) -> Self {
        self.lookup = Box::new(lookup);
        self
    }

    /// The protocol of both signals. Replaces the variables.
    pub fn protocol(mut self, protocol: OtlpProtocol) -> Self {
        self.choices.protocol = Some(protocol);
        self
    }

    /// The receiver's URL, for both signals. Replaces the variables. HTTP adds `/v1/traces` and `/v1/metrics`.
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.choices.endpoint = Some(endpoint.into());
        self
    }

    /// Adds an attribute to the resource. `OTEL_RESOURCE_ATTRIBUTES` replaces an attribute of the same key, and
    /// `OTEL_SERVICE_NAME` the service's name.
    ///
    /// Without a `service.instance.id` from here or from the environment, the resource has a random one (a UUID), so that
    /// the replicas of a service have series of their own.
    ///
    /// # Example
    /// ```no_run
    /// use opentelemetry::KeyValue;
    /// use tower_outbound_telemetry::Telemetry;
    ///
    /// let pod = KeyValue::new("service.instance.id", "shop-7d9f-x2x4l");
    /// let telemetry = Telemetry::builder("shop").resource_attribute(pod).build()?;
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn resource_attribute(mut self, attribute: KeyValue) -> Self {
        self.choices.resource.push(attribute);
        self
    }

    /// Installs a `tracing` subscriber: it logs to standard error, filtered by `RUST_LOG`, and exports the spans that are
    /// made with `tracing`. Off by default, because a process has one subscriber.
    ///
    /// A subscriber that exists already is kept, with a warning in its log: its spans are exported only with
    /// [`Telemetry::layer`]. An application that installs one later gets an error, or panics.
    ///
    /// # Example
    /// ```no_run
    /// let telemetry = tower_outbound_telemetry::Telemetry::builder("shop").with_subscriber().build()?;
    /// # drop(telemetry);
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn with_subscriber(mut self) -> Self {
        self.subscriber = true;
        self
    }

    /// Sets no global provider or propagator. Use those of the [`Telemetry`].
    pub fn without_globals(mut self) -> Self {
        self.globals = false;
        self
    }

    /// The timeout of the shutdown. Default: 5 s. At most 24 days. The last export of metrics takes at most 4.5 s of it.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// Exports with this client. Default: a client built from the certificate variables.
    ///
    /// The client's observers record nothing of the export, which is suppressed. For gRPC, the client must be built with
    /// [`http2_only`](tower_outbound::client::ClientBuilder::http2_only).
    pub fn client(mut self, client: OutboundClient) -> Self {
        self.client = Some(client);
        self
    }

    /// Exports spans with this exporter instead of OTLP's, one batch at a time, each on a blocking thread of the pipeline's
    /// own runtime: the exporter may block, or use tokio. The variables `OTEL_EXPORTER_OTLP_*` then have no effect on spans.
    ///
    /// Queue, counts and shutdown are the same. A batch that the exporter returns an error for is lost: `timed_out` if it
    /// says so, else `failed`. A batch that it has not returned when the shutdown's time is up is `timed_out`.
    ///
    /// # Example
    /// ```
    /// use opentelemetry_sdk::error::OTelSdkResult;
    /// use opentelemetry_sdk::trace::{SpanData, SpanExporter};
    /// use tower_outbound_telemetry::Telemetry;
    ///
    /// #[derive(Debug)]
    /// struct Names;
    ///
    /// impl SpanExporter for Names {
    ///     async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
    ///         batch.iter().for_each(|span| println!("{}", span.name));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let telemetry = Telemetry::builder("shop").span_exporter(Names).without_globals().build()?;
    /// # drop(telemetry);
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn span_exporter(mut self, exporter: impl SpanExporter + 'static) -> Self {
        self.given.spans = Some(Box::new(exporter));
        self
    }

    /// Exports metrics with this exporter instead of OTLP's: see [`span_exporter`](Self::span_exporter). It is called on
    /// the thread of the SDK's reader, inside the pipeline's own runtime.
    pub fn metric_exporter(mut self, exporter: impl PushMetricExporter) -> Self {
        self.given.metrics = Some(Box::new(exporter));
        self
    }

    /// Adds a processor of spans to the tracer provider, beside the export. It has no effect if traces are off.
    ///
    /// [`force_flush`](Telemetry::force_flush) and the shutdown call it too: the shutdown with what the export has left
    /// of its time.
    ///
    /// The processor sees each span when it ends, so spans of attempts are no longer made on the export thread, and cost
    /// the request more.
    ///
    /// # Example
    /// A second receiver, with a queue and counts of its own:
    /// ```
    /// use tower_outbound_telemetry::Telemetry;
    ///
    /// let second = Telemetry::builder("shop").endpoint("http://second:4318").without_globals().build()?;
    /// let mut builder = Telemetry::builder("shop").without_globals();
    /// if let Some(queue) = second.span_processor() {
    ///     builder = builder.span_processor(queue);
    /// }
    /// let telemetry = builder.build()?;
    /// # drop((telemetry, second));
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn span_processor(mut self, processor: impl SpanProcessor + 'static) -> Self {
        self.processors.push(Box::new(|provider| provider.with_span_processor(processor)));
        self
    }

    /// Adds to the meter provider, beside the export: a reader, such as that of a page for Prometheus, or views.
    ///
    /// With it the meter provider is there also if the variables name no exporter of metrics; not with `OTEL_SDK_DISABLED`.
    ///
    /// # Example
    /// ```
    /// use opentelemetry_sdk::metrics::{PeriodicReader, in_memory_exporter::InMemoryMetricExporter};
    /// use tower_outbound_telemetry::Telemetry;
    ///
    /// let reader = PeriodicReader::builder(InMemoryMetricExporter::default()).build();
    /// let builder = Telemetry::builder("shop").without_globals();
    /// let telemetry = builder.metrics_with(|provider| provider.with_reader(reader)).build()?;
    /// # drop(telemetry);
    /// # Ok::<_, tower_outbound_telemetry::TelemetryError>(())
    /// ```
    pub fn metrics_with(
        mut self,
        options: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder + Send + 'static,
    ) -> Self {
        self.readers.push(Box::new(options));
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
    /// See [`Telemetry::from_env`].
    pub fn build(self) -> Result<Telemetry, TelemetryError> {
        let settings = Settings::resolve(&self.choices, &*self.lookup);
        let options = PipelineOptions {
            globals: self.globals,
            subscriber: self.subscriber,
            shutdown_timeout: self.shutdown_timeout,
            client: self.client,
            given: self.given,
            processors: self.processors,
            readers: self.readers,
            keep: self.keep,
        };
        Pipeline::build(&settings, options).map(Telemetry::new)
    }
}

impl fmt::Debug for TelemetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryBuilder")
            .field("choices", &self.choices)
            .field("globals", &self.globals)
            .field("subscriber", &self.subscriber)
            .finish_non_exhaustive()
    }
}
