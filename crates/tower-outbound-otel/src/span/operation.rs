//! The spans of an operation and of its steps.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use tokio::time::Instant;
use tower_outbound::Failure;

use super::clock::Clock;
use super::tracer::SpanTracer;
use crate::error_type::ErrorType;
use crate::semconv::attribute as a;
use crate::semconv::outbound as o;

/// The span of an operation or of a step.
#[derive(Debug)]
pub(crate) struct OperationSpan {
    clock: Clock,
    start: Instant,
    /// The context in which the span is current. Taken at the end.
    live: Mutex<Option<Context>>,
}

impl OperationSpan {
    /// Starts the span below `parent`. It is current in what else `around` has.
    pub(crate) fn start(
        tracer: &SpanTracer,
        name: String,
        start: Instant,
        attributes: impl IntoIterator<Item = (&'static str, Option<Value>)>,
        [parent, around]: [&Context; 2],
    ) -> Self {
        let clock = Clock::now();
        let present = attributes.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
        let builder = tracer
            .get()
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(clock.at(start))
            .with_attributes(present);
        let span = tracer.get().build_with_context(builder, parent);
        Self { clock, start, live: Mutex::new(Some(around.with_span(span))) }
    }

    /// The context in which the span is current; `None` after the end.
    pub(crate) fn context(&self) -> Option<Context> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn end(&self, outcome: &'static str, failure: Option<&Failure>, end: Instant) {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(context) = live else { return };
        let span = context.span();
        if let Some(failure) = failure {
            span.set_attribute(KeyValue::new(a::ERROR_TYPE, Value::from(ErrorType::of(failure))));
            span.set_status(Status::error(failure.to_string()));
        }
        span.set_attribute(KeyValue::new(o::OUTCOME, outcome));
        // Jaeger warns of a span that does not end after its start.
        span.end_with_timestamp(self.clock.at(end.max(self.start + Duration::from_nanos(1))));
    }
}
