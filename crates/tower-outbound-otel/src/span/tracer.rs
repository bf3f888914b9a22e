//! The tracer of an observer, with its options.

use std::sync::{Arc, OnceLock};

use opentelemetry::global::{self, BoxedTracer};

use crate::options::Options;
use crate::semconv::scope;

#[derive(Debug)]
pub(crate) struct SpanTracer {
    pub(crate) options: Arc<Options>,
    /// Empty until the first span, if the global provider is used.
    tracer: OnceLock<BoxedTracer>,
}

impl SpanTracer {
    pub(crate) fn new(options: Arc<Options>, tracer: OnceLock<BoxedTracer>) -> Self {
        Self { options, tracer }
    }

    pub(super) fn get(&self) -> &BoxedTracer {
        self.tracer.get_or_init(|| global::tracer_with_scope(scope()))
    }
}
