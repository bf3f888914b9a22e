//! Propagators.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags};
use opentelemetry_propagator_b3::B3Encoding;
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use super::reader::Reader;

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
            Self::TraceContext => Box::new(TraceContextPropagator::new()),
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
mod tests {
    use std::collections::HashMap;

    use opentelemetry::trace::{SpanId, TraceId, TraceState};

    use super::super::testing::{resolve, warned};
    use super::*;

    const KEY: &str = "OTEL_PROPAGATORS";

    #[test]
    fn propagators_list_parsed_deduplicated_unknown_warned() {
        use Propagator::{B3, B3Multi, Baggage, TraceContext};
        let cases: [(&str, &[Propagator], Option<&str>); 9] = [
            ("none", &[], None),
            ("b3", &[B3], None),
            ("B3MULTI,baggage", &[B3Multi, Baggage], None),
            ("tracecontext,b3,tracecontext", &[TraceContext, B3], None),
            ("b3,b3multi,baggage,tracecontext", &[B3, B3Multi, Baggage, TraceContext], None),
            ("jaeger", &[TraceContext, Baggage], Some("tracecontext,baggage")),
            ("xray,baggage", &[Baggage], Some("baggage")),
            ("ottrace,b3", &[B3], Some("b3")),
            ("none,baggage", &[Baggage], Some("baggage")),
        ];
        for (value, expected, used) in cases {
            let settings = resolve(&[(KEY, value)]);
            assert_eq!(settings.propagators, expected);
            assert_eq!(warned(&settings), Vec::from_iter(used.map(|used| (KEY, value, used))));
        }
    }

    fn injected(propagators: &[Propagator], context: &Context) -> HashMap<String, String> {
        let mut headers = HashMap::new();
        propagator(propagators).inject_context(context, &mut headers);
        headers
    }

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn remote(flags: TraceFlags) -> SpanContext {
        let (trace, span) = (TraceId::from_hex(TRACE).unwrap(), SpanId::from_hex(SPAN).unwrap());
        SpanContext::new(trace, span, flags, true, TraceState::default())
    }

    #[test]
    fn propagators_inject_and_extract_own_headers() {
        use Propagator::{B3, B3Multi, TraceContext};
        let span = remote(TraceFlags::SAMPLED);
        let context = Context::new().with_remote_span_context(span.clone());
        let b3 = vec![("b3", format!("{TRACE}-{SPAN}-1"))];
        let multi = vec![
            ("x-b3-traceid", TRACE.to_owned()),
            ("x-b3-spanid", SPAN.to_owned()),
            ("x-b3-sampled", "1".into()),
        ];
        let trace_context =
            vec![("traceparent", format!("00-{TRACE}-{SPAN}-01")), ("tracestate", String::new())];
        let all = [b3.clone(), multi.clone(), trace_context.clone()].concat();
        for (propagators, expected) in [
            (vec![B3], b3),
            (vec![B3Multi], multi),
            (vec![TraceContext], trace_context),
            (vec![TraceContext, B3Multi, B3], all),
        ] {
            let written = injected(&propagators, &context);
            let expected: HashMap<_, _> =
                expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!(written, expected);
            let read = propagator(&propagators).extract_with_context(&Context::new(), &written);
            assert_eq!(read.span().span_context(), &span, "{propagators:?}");
        }
    }

    #[test]
    fn propagators_b3_debug_flag_implies_sampled_and_is_kept() {
        for (one, name, value) in [
            (Propagator::B3, "b3", format!("{TRACE}-{SPAN}-d")),
            (Propagator::B3Multi, "x-b3-flags", "1".to_owned()),
        ] {
            let mut headers = HashMap::from([(name.to_owned(), value.clone())]);
            headers.insert("x-b3-traceid".into(), TRACE.into());
            headers.insert("x-b3-spanid".into(), SPAN.into());
            let read = propagator(&[one]).extract_with_context(&Context::new(), &headers);
            assert_eq!(read.span().span_context(), &remote(TraceFlags::SAMPLED | DEBUG));
            assert_eq!(injected(&[one], &read)[name], value);
        }
    }

    #[test]
    fn propagators_b3_without_span_injects_nothing() {
        for one in [Propagator::B3, Propagator::B3Multi] {
            assert_eq!(injected(&[one], &Context::new()), HashMap::new());
        }
    }
}
