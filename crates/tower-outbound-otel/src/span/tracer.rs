//! The tracer of an observer, with its options.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::global::{BoxedTracer, tracer_with_scope};

use super::late::{AttemptSink, Shared};
use crate::global::warn_of_absence;
use crate::options::Options;
use crate::semconv::scope;

#[derive(Debug)]
pub(crate) struct SpanTracer {
    pub(crate) options: Arc<Options>,
    pub(crate) shared: Arc<Shared>,
    /// Takes the attempts whose spans are not the tracer's.
    sink: Option<Arc<dyn AttemptSink>>,
    /// Empty until the first span, if the global provider is used.
    tracer: OnceLock<BoxedTracer>,
    /// The last span was a span: a tracer of no provider gives the parent back.
    makes_spans: AtomicBool,
    /// The observer has a meter: not every provider is a global one.
    has_meter: bool,
}

impl SpanTracer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        tracer: OnceLock<BoxedTracer>,
        sink: Option<Arc<dyn AttemptSink>>,
        has_meter: bool,
    ) -> Self {
        let options = Arc::clone(&shared.options);
        // A span that ends at the head has the timings of the head.
        let sink = sink.filter(|_| !options.end_at_head);
        Self { options, shared, sink, tracer, makes_spans: AtomicBool::new(true), has_meter }
    }

    pub(super) fn sink(&self) -> Option<&dyn AttemptSink> {
        self.sink.as_deref()
    }

    /// Whether attributes are worth making before the span. If the tracer makes spans again, the first one has them too late
    /// for its sampler.
    pub(super) fn makes_spans(&self) -> bool {
        self.makes_spans.load(Ordering::Relaxed)
    }

    pub(super) fn set_makes_spans(&self, makes: bool) {
        // A load first: a store on every request would bounce the cache line between cores.
        if self.makes_spans() != makes {
            self.makes_spans.store(makes, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> &BoxedTracer {
        self.tracer.get_or_init(|| {
            if !self.has_meter {
                warn_of_absence();
            }
            tracer_with_scope(scope())
        })
    }
}
