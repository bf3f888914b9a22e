//! Propagators.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags};
use opentelemetry_propagator_b3::B3Encoding;
use opentelemetry_sdk::propagation::BaggagePropagator;

use self::trace_context::TraceContext;
use super::reader::Reader;

mod trace_context;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagator {
    TraceContext,
    Baggage,
    /// The single header `b3`.
    B3,
    /// The headers `x-b3-*`.
    B3Multi,
}

const KNOWN: [(&str, Propagator); 4] = [
    ("tracecontext", Propagator::TraceContext),
    ("baggage", Propagator::Baggage),
    ("b3", Propagator::B3),
    ("b3multi", Propagator::B3Multi),
];

impl Reader<'_> {
    pub(super) fn propagators(&mut self) -> Vec<Propagator> {
        let known = KNOWN.map(|(name, _)| name);
        let names = self.list("OTEL_PROPAGATORS", &known, &["tracecontext", "baggage"], |_| None);
        let named = |name| KNOWN.into_iter().find(|(known, _)| *known == name).map(|(_, found)| found);
        names.into_iter().filter_map(named).collect()
    }
}

/// Combines the propagators.
pub(crate) fn propagator(propagators: &[Propagator]) -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(propagators.iter().map(|propagator| propagator.build()).collect())
}

impl Propagator {
    fn build(self) -> Box<dyn TextMapPropagator + Send + Sync> {
        match self {
            Self::TraceContext => Box::new(TraceContext::default()),
            Self::Baggage => Box::new(BaggagePropagator::new()),
            Self::B3 => Box::new(B3::new(B3Encoding::SingleHeader)),
            Self::B3Multi => Box::new(B3::new(B3Encoding::MultipleHeader)),
        }
    }
}

/// B3 by the specification, from which the crate deviates.
#[derive(Debug)]
struct B3(opentelemetry_propagator_b3::Propagator);

/// The crate's bit for `d` and `x-b3-flags: 1`.
const DEBUG: TraceFlags = TraceFlags::new(0x04);

impl B3 {
    fn new(encoding: B3Encoding) -> Self {
        Self(opentelemetry_propagator_b3::Propagator::with_encoding(encoding))
    }
}

impl TextMapPropagator for B3 {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        // Without a span, the crate writes `0`: the server must not sample.
        if context.span().span_context().is_valid() {
            self.0.inject_context(context, &mut Own { propagator: &self.0, injector });
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let context = self.0.extract_with_context(context, extractor);
        let span = context.span().span_context().clone();
        let debug = span.is_remote() && span.trace_flags() & DEBUG == DEBUG;
        if !debug || span.is_sampled() {
            return context;
        }
        // Debug implies sampled. The crate ignores that in the single header.
        let flags = span.trace_flags() | TraceFlags::SAMPLED;
        let state = span.trace_state().clone();
        let span = SpanContext::new(span.trace_id(), span.span_id(), flags, true, state);
        context.with_remote_span_context(span)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// Passes only the propagator's own fields: the crate's single-header propagator also writes the others.
struct Own<'a> {
    propagator: &'a opentelemetry_propagator_b3::Propagator,
    injector: &'a mut dyn Injector,
}

impl Injector for Own<'_> {
    fn set(&mut self, key: &str, value: String) {
        if self.propagator.fields().any(|field| field == key) {
            self.injector.set(key, value);
        }
    }
}

#[cfg(test)]
mod tests;
