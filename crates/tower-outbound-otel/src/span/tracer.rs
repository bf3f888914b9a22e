//! The tracer of an observer, with its options.

use std::sync::{Arc, OnceLock};

use opentelemetry::global::{BoxedTracer, tracer_with_scope};

use crate::global::warn_of_absence;
use crate::options::Options;
use crate::semconv::scope;

#[derive(Debug)]
pub(crate) struct SpanTracer {
    pub(crate) options: Arc<Options>,
    /// Empty until the first span, if the global provider is used.
    tracer: OnceLock<BoxedTracer>,
    /// The observer has a meter: not every provider is a global one.
    has_meter: bool,
}

impl SpanTracer {
    pub(crate) fn new(options: Arc<Options>, tracer: OnceLock<BoxedTracer>, has_meter: bool) -> Self {
        Self { options, tracer, has_meter }
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
