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
    let trace_context = vec![("traceparent", format!("00-{TRACE}-{SPAN}-01")), ("tracestate", String::new())];
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
