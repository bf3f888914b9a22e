//! Builds providers and propagators, and shuts them down.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, MeterProviderBuilder, PeriodicReader, SdkMeterProvider, Stream,
};
use opentelemetry_sdk::trace::{SdkTracerProvider, ShouldSample, SpanProcessor, TracerProviderBuilder};
use tokio::time::Instant;
use tower_outbound::OutboundClient;
use tower_outbound_otel::keep::Keep;

use crate::announcement::Announcement;
use crate::export::{
    AttemptQueue, Component, EndBy, ExportStats, ExportThread, Exporters, Given, SelfMetrics, SpanQueue,
};
use crate::sampler::KeepingSampler;
use crate::settings::{FLUSH_TIMEOUT, Settings};
use crate::{Report, TelemetryError, Warning, globals, subscriber};

/// Above the SDK's default of 2,000: 101 hosts times methods, statuses, phases or reasons.
const SERIES: usize = 10_000;
const MANY_SERIES: [&str; 9] = [
    "http.client.request.body.size",
    "http.client.request.duration",
    "http.client.response.body.size",
    "outbound.body.duration",
    "outbound.connect.duration",
    "outbound.connect.failed",
    "outbound.connection.closed",
    "outbound.phase.duration",
    "outbound.requests",
];

/// The specification's defaults.
const EXPONENTIAL: Aggregation =
    Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };

/// The share of spans in the shutdown timeout. The last export of metrics includes the losses of spans.
const FOR_SPANS: f64 = 0.8;
/// The SDK waits 5 s for its reader. The rest is for the reader's work after the export.
const FOR_METRICS: Duration = Duration::from_millis(4_500);

/// An export ends with the shutdown's time; the rest is for the SDK's reader.
const GRACE: Duration = Duration::from_millis(200);

/// The scope of the pipeline's own metrics. The schema is that of the observer's conventions.
fn scope() -> InstrumentationScope {
    let conventions = tower_outbound_otel::scope();
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(conventions.schema_url().unwrap_or_default().to_owned())
        .build()
}

/// Everything that runs. A drop shuts it down.
#[derive(Debug, Default)]
pub(crate) struct Pipeline {
    pub(crate) traces: Option<SdkTracerProvider>,
    pub(crate) metrics: Option<SdkMeterProvider>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) stats: Arc<ExportStats>,
    pub(crate) keep: Option<Keep>,
    announcement: Arc<Announcement>,
    timeout: Duration,
    client: Option<OutboundClient>,
    /// The names of the exporters of spans and metrics that were given.
    given: [Option<&'static str>; 2],
    spans: Option<SpanQueue>,
    /// Takes attempts whose spans nothing but the export needs to see.
    pub(crate) attempts: Option<Arc<AttemptQueue>>,
    end_metrics_by: Option<EndBy>,
    thread: Option<ExportThread>,
    ended: bool,
}

/// Adds a processor to a provider.
pub(crate) type AddProcessor = Box<dyn FnOnce(TracerProviderBuilder) -> TracerProviderBuilder + Send>;

/// Adds a reader to a provider, or views.
pub(crate) type AddReader = Box<dyn FnOnce(MeterProviderBuilder) -> MeterProviderBuilder + Send>;

/// Options without a variable.
pub(crate) struct PipelineOptions {
    /// Whether to set the global providers and the propagator.
    pub(crate) globals: bool,
    pub(crate) subscriber: bool,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) client: Option<OutboundClient>,
    pub(crate) given: Given,
    pub(crate) processors: Vec<AddProcessor>,
    pub(crate) readers: Vec<AddReader>,
    pub(crate) keep: Option<Keep>,
}

impl Pipeline {
    pub(crate) fn build(settings: &Settings, options: PipelineOptions) -> Result<Self, TelemetryError> {
        if options.globals {
            globals::check_unset()?;
        }
        let mut pipeline = Self::default();
        (pipeline.timeout, pipeline.client) = (options.shutdown_timeout, options.client);
        pipeline.keep = options.keep;
        pipeline.providers(settings, options.given, options.processors, options.readers)?;
        pipeline.warnings.splice(0..0, settings.warnings.iter().cloned());
        if options.subscriber {
            let filter = settings.log_filter.as_deref();
            pipeline.warnings.extend(subscriber::install(pipeline.traces.as_ref(), filter));
        }
        if options.globals {
            if let Some(traces) = &pipeline.traces {
                global::set_tracer_provider(traces.clone());
            }
            if let Some(metrics) = &pipeline.metrics {
                global::set_meter_provider(metrics.clone());
            }
            if pipeline.traces.is_none() && pipeline.metrics.is_none() {
                tower_outbound_otel::global::without_providers();
            }
            global::set_text_map_propagator(settings.propagator());
        }
        pipeline.announce(settings);
        Ok(pipeline)
    }

    fn providers(
        &mut self,
        settings: &Settings,
        mut given: Given,
        processors: Vec<AddProcessor>,
        readers: Vec<AddReader>,
    ) -> Result<(), TelemetryError> {
        let resource = settings.resource();
        self.given = given.names();
        let (traces, metrics) = (&settings.traces, &settings.metrics);
        if traces.otlp.is_some() || metrics.otlp.is_some() {
            self.thread = Some(ExportThread::start()?);
        }
        if traces.is_on() {
            self.traces = Some(self.tracer_provider(settings, &mut given, processors, &resource)?);
        }
        if metrics.is_on() || (!readers.is_empty() && !settings.disabled) {
            self.metrics = Some(self.meter_provider(settings, &mut given, readers, resource)?);
        }
        Ok(())
    }

    fn tracer_provider(
        &mut self,
        settings: &Settings,
        given: &mut Given,
        processors: Vec<AddProcessor>,
        resource: &Resource,
    ) -> Result<SdkTracerProvider, TelemetryError> {
        let mut provider =
            SdkTracerProvider::builder().with_resource(resource.clone()).with_span_limits(settings.limits);
        let sampler = &settings.sampler;
        provider = match self.keep {
            Some(_) => provider.with_sampler(KeepingSampler(sampler.clone())),
            None => provider.with_sampler(sampler.clone()),
        };
        if let (Some(export), Some(mut exporters)) = (&settings.traces.otlp, self.exporters(given)) {
            let spans = exporters.spans(export, &settings.batch, settings.limits, resource)?;
            // Another processor must see the spans when they end.
            if processors.is_empty() && !settings.traces.console {
                let sampler: Box<dyn ShouldSample> = match self.keep {
                    Some(_) => Box::new(KeepingSampler(sampler.clone())),
                    None => Box::new(sampler.clone()),
                };
                self.attempts = Some(AttemptQueue::new(spans.clone(), sampler));
            }
            provider = provider.with_span_processor(spans.clone());
            self.spans = Some(spans);
        }
        #[cfg(feature = "console")]
        if settings.traces.console {
            let stats = settings.traces.otlp.is_none().then(|| Arc::clone(&self.stats));
            provider = provider.with_span_processor(crate::console::spans(stats));
        }
        Ok(processors.into_iter().fold(provider, |provider, add| add(provider)).build())
    }

    /// The queue of spans, for another provider.
    pub(crate) fn span_processor(&self) -> Option<impl SpanProcessor + use<>> {
        self.spans.clone()
    }

    fn meter_provider(
        &mut self,
        settings: &Settings,
        given: &mut Given,
        readers: Vec<AddReader>,
        resource: Resource,
    ) -> Result<SdkMeterProvider, TelemetryError> {
        let mut provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_view(view(settings.exponential_histograms));
        if let (Some(export), Some(mut exporters)) = (&settings.metrics.otlp, self.exporters(given)) {
            let (exporter, end_by) =
                exporters.metrics(export, settings.metric_timeout, settings.temporality)?;
            self.end_metrics_by = Some(end_by);
            let reader = PeriodicReader::builder(exporter).with_interval(settings.metric_interval);
            provider = provider.with_reader(reader.build());
        }
        #[cfg(feature = "console")]
        if settings.metrics.console {
            let stats = settings.metrics.otlp.is_none().then(|| Arc::clone(&self.stats));
            provider = provider.with_reader(crate::console::metrics(settings.metric_interval, stats));
        }
        let provider = readers.into_iter().fold(provider, |provider, add| add(provider)).build();
        if let Some(export) = &settings.metrics.otlp {
            let traces = settings.traces.otlp.as_ref();
            let own = SelfMetrics {
                stats: Arc::clone(&self.stats),
                traces: traces.map(|export| Component::exporter(self.given[0], export.protocol, "span")),
                metrics: Component::exporter(self.given[1], export.protocol, "metric"),
            };
            own.register(&provider.meter_with_scope(scope()));
        }
        Ok(provider)
    }

    fn exporters<'a>(&'a mut self, given: &'a mut Given) -> Option<Exporters<'a>> {
        let Self { thread, stats, warnings, client, announcement, .. } = self;
        let client = client.as_ref();
        thread.as_ref().map(|thread| Exporters { thread, client, given, stats, warnings, announcement })
    }

    /// Logs warnings, and where telemetry is exported to.
    fn announce(&self, settings: &Settings) {
        let destinations =
            [(&settings.traces, self.given[0]), (&settings.metrics, self.given[1])].map(|(otlp, given)| {
                given.filter(|_| otlp.is_on()).map_or_else(|| otlp.to_string(), str::to_owned)
            });
        self.announcement.of(&self.warnings, destinations);
    }

    /// Exports pending telemetry.
    pub(crate) fn flush(&self) -> Result<(), TelemetryError> {
        let traces = self.traces.as_ref().map_or(Ok(()), SdkTracerProvider::force_flush);
        let metrics = self.metrics.clone();
        // The SDK waits for as long as the export takes.
        let metrics = metrics.map_or(Ok(()), |metrics| bounded(FLUSH_TIMEOUT, move || metrics.force_flush()));
        TelemetryError::of_sdk("flushing traces", traces)
            .and(TelemetryError::of_sdk("flushing metrics", metrics))
    }

    /// Exports pending telemetry, within the timeout, and ends every thread.
    pub(crate) fn end(&mut self) -> Report {
        if !std::mem::replace(&mut self.ended, true) {
            self.announcement.log();
            let end = Instant::now() + self.timeout;
            // Spans first: the last export of metrics includes their losses.
            let spans_by = Instant::now() + self.timeout.mul_f64(FOR_SPANS);
            let for_spans = || spans_by.saturating_duration_since(Instant::now());
            // Before its provider, which would drop spans that end now without counting them.
            if let Some(spans) = self.spans.take() {
                let _ = spans.shutdown_with_timeout(for_spans());
            }
            if let Some(traces) = self.traces.take() {
                let _ = traces.shutdown_with_timeout(for_spans());
            }
            if let Some(end_by) = &self.end_metrics_by {
                end_by.send_replace(Some(end.min(Instant::now() + FOR_METRICS)));
            }
            if let Some(metrics) = self.metrics.take() {
                // The SDK waits for five seconds, and a given exporter may block.
                let rest = end.saturating_duration_since(Instant::now()) + GRACE;
                let _ = bounded(rest, move || metrics.shutdown());
            }
            self.stats.give_up_metrics();
            if let Some(thread) = &mut self.thread {
                thread.stop();
            }
        }
        self.stats.report()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let report = self.end();
        if !report.is_complete() {
            tracing::warn!(target: "tower_outbound_telemetry", %report, "telemetry was lost");
        }
    }
}

/// Runs this on a thread of its own, which is left behind when the time is up.
fn bounded(timeout: Duration, run: impl FnOnce() -> OTelSdkResult + Send + 'static) -> OTelSdkResult {
    let (done, wait) = mpsc::channel();
    let thread = std::thread::Builder::new().name("otlp-flush".into());
    let started = thread.spawn(move || {
        let _ = done.send(run());
    });
    started.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
    wait.recv_timeout(timeout).unwrap_or(Err(OTelSdkError::Timeout(timeout)))
}

/// One view for both purposes: each matching view makes a stream of its own.
fn view(exponential: bool) -> impl Fn(&Instrument) -> Option<Stream> {
    let observer = tower_outbound_otel::scope();
    move |instrument| {
        let ours = instrument.scope().name() == observer.name();
        let many = ours && MANY_SERIES.contains(&instrument.name());
        let exponential = exponential && instrument.kind() == InstrumentKind::Histogram;
        if !many && !exponential {
            return None;
        }
        let mut stream = Stream::builder();
        if many {
            stream = stream.with_cardinality_limit(SERIES);
        }
        if exponential {
            stream = stream.with_aggregation(EXPONENTIAL);
        }
        stream.build().ok()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn scope_has_name_version_and_schema_of_conventions() {
        let scope = super::scope();
        assert_eq!(
            (scope.name(), scope.version()),
            ("tower-outbound-telemetry", Some(env!("CARGO_PKG_VERSION")))
        );
        assert!(scope.schema_url().unwrap().starts_with("https://opentelemetry.io/schemas/"));
    }
}
