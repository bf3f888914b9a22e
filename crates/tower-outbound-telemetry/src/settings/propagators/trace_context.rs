//! W3C Trace Context.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The SDK's propagator, but for the text of `traceparent`: formatting it is most of what an injection costs.
#[derive(Debug, Default)]
pub(super) struct TraceContext(TraceContextPropagator);

/// `00-{trace id}-{span id}-{flags}`
const LENGTH: usize = 55;
/// The two digits of each byte.
const DIGITS: [[u8; 2]; 256] = {
    let (mut table, mut byte) = ([[0; 2]; 256], 0);
    while byte < table.len() {
        table[byte] = [b"0123456789abcdef"[byte >> 4], b"0123456789abcdef"[byte & 0xf]];
        byte += 1;
    }
    table
};

impl TextMapPropagator for TraceContext {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let span = span.span_context();
        if !span.is_valid() {
            return;
        }
        injector.set("traceparent", traceparent(span));
        let state = span.trace_state();
        // Empty without a state, as the SDK writes it.
        let has_state = state.into_iter().len() > 0;
        injector.set("tracestate", if has_state { state.header() } else { String::new() });
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        self.0.extract_with_context(context, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// Of the flags, only that of sampling is known.
fn traceparent(span: &SpanContext) -> String {
    let mut text = [b'-'; LENGTH];
    text[..2].copy_from_slice(b"00");
    write_hex(&mut text[3..35], &span.trace_id().to_bytes());
    write_hex(&mut text[36..52], &span.span_id().to_bytes());
    text[53..].copy_from_slice(if span.is_sampled() { b"01" } else { b"00" });
    String::from_utf8(text.to_vec()).unwrap_or_default()
}

/// Two digits for each byte.
fn write_hex(text: &mut [u8], bytes: &[u8]) {
    for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
        digits.copy_from_slice(&DIGITS[usize::from(*byte)]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    #[test]
    fn trace_context_is_written_as_by_the_sdk() {
        for (trace, span) in [(1, 1), (u128::MAX, u64::MAX), (0x0123_4567_89ab_cdef << 32, 0xf0_0d), (0, 1)] {
            for (flags, state) in [(0, ""), (1, "a=1,b@c=2"), (0xff, "")] {
                let state = state.parse::<TraceState>().unwrap();
                let (trace, span) = (TraceId::from(trace), SpanId::from(span));
                let span = SpanContext::new(trace, span, TraceFlags::new(flags), true, state);
                let context = Context::new().with_remote_span_context(span);
                let (mut ours, mut sdks) = (HashMap::new(), HashMap::new());
                TraceContext::default().inject_context(&context, &mut ours);
                TraceContextPropagator::new().inject_context(&context, &mut sdks);
                assert_eq!(ours, sdks);
            }
        }
    }
}
