//! A copy of the telemetry for the receiver that the environment names, beside that for the report.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound_otel::{MetricLabel, Propagate};
use tower_outbound_telemetry::{TelemetryBuilder, TelemetryError};

use crate::services::Services;
use crate::telemetry;

pub(crate) struct OwnBackend {
    name: String,
    services: Services,
}

impl OwnBackend {
    /// `None` if the environment names no receiver.
    pub(crate) fn start() -> Result<Option<OwnBackend>, TelemetryError> {
        let Some(name) = telemetry::own_backend() else { return Ok(None) };
        let services = Services::start(|_, builder| builder.without_globals())?;
        // No subscriber logs them.
        for warning in services.gateway.warnings() {
            eprintln!("warning: {warning}");
        }
        Ok(Some(OwnBackend { name, services }))
    }

    /// The spans of this service are also queued for the own backend.
    pub(crate) fn copy_spans(
        own: Option<&OwnBackend>,
        service: &str,
        builder: TelemetryBuilder,
    ) -> TelemetryBuilder {
        match own.and_then(|own| own.services.of(service).span_processor()) {
            Some(queue) => builder.span_processor(Copies(queue)),
            None => builder,
        }
    }

    /// Another observer records the metrics of this service for the own backend.
    pub(crate) fn copy_metrics(
        own: Option<&OwnBackend>,
        service: &str,
        builder: OutboundBuilder,
    ) -> OutboundBuilder {
        let Some(own) = own else { return builder };
        let observer = own.services.of(service).observer().metric_label(MetricLabel::OutboundPort);
        // The spans are copies: this observer makes none.
        let observer = observer.tracer_provider(&NoopTracerProvider::new()).propagate(Propagate::off());
        builder.observer(observer.build())
    }

    /// Exports what is pending. Returns what was delivered and lost, in one line.
    pub(crate) async fn end(self) -> String {
        format!("Telemetry to {}: {}.", self.name, self.services.shutdown().await)
    }
}

/// The queue of the own backend's pipeline, which alone ends it: a flush for the report must not wait for it.
#[derive(Debug)]
struct Copies<P>(P);

impl<P: SpanProcessor> SpanProcessor for Copies<P> {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
