//! Requests as bars, from their spans.

use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};
use outbound_tests::otlp::{Span, SpanKind};
use tower_outbound_telemetry::console::{Bar, Waterfall};

use crate::services::{CALLER, TWIN};

/// Adds the received spans of a trace.
pub(super) fn add(waterfall: Waterfall, title: &str, trace: TraceId, spans: &[Span]) -> Waterfall {
    let trace = trace.to_bytes();
    let spans: Vec<_> = spans.iter().filter(|span| span.span.trace_id == trace).collect();
    waterfall.trace(title, connection(&spans), spans.iter().map(|span| bar(span)))
}

fn bar(span: &Span) -> Bar {
    let kind = match (span.kind(), span.resource_service.as_str()) {
        (SpanKind::Client, CALLER) => " (caller)",
        (SpanKind::Client, _) => " (upstream)",
        (SpanKind::Server, TWIN) => " (twin)",
        (SpanKind::Server, _) => " (gateway)",
        _ => "",
    };
    let [start, end] = [span.start(), span.end()].map(Duration::from_nanos);
    let bar = Bar::new(id(&span.span.span_id), format!("{}{kind}", span.name()), start, end);
    bar.child_of(id(&span.span.parent_span_id))
}

/// The parent id of a root span is empty.
fn id(bytes: &[u8]) -> SpanId {
    bytes.try_into().map_or(SpanId::INVALID, SpanId::from_bytes)
}

/// The connection of the gateway's first attempt.
fn connection(spans: &[&Span]) -> String {
    let clients =
        spans.iter().filter(|span| span.kind() == SpanKind::Client && span.resource_service != CALLER);
    let Some(span) = clients.min_by_key(|span| span.start()) else {
        return "no client span was received".to_owned();
    };
    let attr = |key| span.attr(key).unwrap_or_else(|| "?".to_owned());
    let connection =
        format!("HTTP/{} on connection {}", attr("network.protocol.version"), attr("outbound.connection.id"));
    match (attr("outbound.connection.reuse").as_str(), attr("outbound.connection.setup_paid").as_str()) {
        ("new", "true") => format!("{connection}, new: this request paid for its setup"),
        ("reused", _) => format!("{connection}, reused: no setup to pay for"),
        ("unknown", _) => {
            format!("HTTP/{}, its client does not expose the connection", attr("network.protocol.version"))
        }
        (reuse, _) => format!("{connection}, {reuse}"),
    }
}

#[cfg(test)]
mod tests {
    use outbound_tests::otlp::SpanKind;

    use super::*;

    /// From one millisecond to another.
    fn span(id: u8, parent: u8, kind: SpanKind, name: &str, from: u64, to: u64) -> Span {
        let mut span =
            Span { resource_service: String::new(), scope: String::new(), span: Default::default() };
        span.span.trace_id = vec![1; 16];
        span.span.span_id = vec![id; 8];
        span.span.parent_span_id = vec![parent; 8];
        span.span.kind = kind.into();
        span.span.name = name.to_owned();
        span.span.start_time_unix_nano = 1_700_000_000_000_000_000 + from * 1_000_000;
        span.span.end_time_unix_nano = 1_700_000_000_000_000_000 + to * 1_000_000;
        span
    }

    #[test]
    fn waterfall_draws_received_spans_as_tree() {
        let spans = [
            span(3, 2, SpanKind::Internal, "outbound.wait", 21, 35),
            span(2, 1, SpanKind::Client, "GET /body/60k", 7, 50),
            span(1, 9, SpanKind::Server, "GET /tls/body/60k", 0, 58),
            Span { resource_service: CALLER.to_owned(), ..span(9, 0, SpanKind::Client, "GET", 0, 60) },
        ];
        let trace = TraceId::from_bytes([1; 16]);
        let text = add(Waterfall::new().width(100), "COLD", trace, &spans).to_string();
        assert_eq!(
            text,
            "\
COLD  60.00 ms, HTTP/? on connection ?, ?
  GET (caller)                  │████████████████████████████████████████████████████████│  60.00 ms
    GET /tls/body/60k (gateway) │██████████████████████████████████████████████████████▏ │  58.00 ms
      GET /body/60k (upstream)  │      ▐███████████████████████████████████████▋         │  43.00 ms
        outbound.wait           │                   ▐████████████▋                       │  14.00 ms
                                 0                                               60.00 ms
"
        );
    }

    #[test]
    fn waterfall_of_missing_trace_says_no_span_received() {
        let text = add(Waterfall::new(), "WARM", TraceId::from_bytes([2; 16]), &[]).to_string();
        assert!(text.starts_with("WARM  <0.01 ms, no client span was received\n"), "{text}");
    }
}
