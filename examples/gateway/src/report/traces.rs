//! Checks that each trace is whole: gateway, client, twin and upstreams have the caller's trace id.

use std::collections::{HashMap, HashSet};
use std::fmt;

use outbound_tests::otlp::{Span, SpanKind};

use crate::traffic::Sent;

/// How many traces of the caller are whole, and what the others lack.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wholeness {
    sent: usize,
    /// Traces with a span of the twin.
    by_twin: usize,
    no_caller_span: usize,
    no_gateway_span: usize,
    no_client_span: usize,
    no_twin_span: usize,
    not_seen_upstream: usize,
}

impl Wholeness {
    /// Of the sampled traces.
    pub(super) fn of(sent: &[Sent], spans: &[Span]) -> Wholeness {
        let mut children = Children::new();
        for span in spans {
            children.entry((&span.span.trace_id[..], &span.span.parent_span_id[..])).or_default().push(span);
        }
        let mut wholeness = Wholeness::default();
        for sent in sent.iter().filter(|sent| sent.span.is_sampled()) {
            wholeness.sent += 1;
            let (trace, root) = (sent.span.trace_id().to_bytes(), sent.span.span_id().to_bytes());
            // The parent of a root is empty.
            if !below(&children, &trace, &[], SpanKind::Client).iter().any(|span| span.span.span_id == root) {
                wholeness.no_caller_span += 1;
                continue;
            }
            let below = |parent: &[u8], kind| below(&children, &trace, parent, kind);
            let Some(gateway) = below(&root, SpanKind::Server).pop() else {
                wholeness.no_gateway_span += 1;
                continue;
            };
            let mut clients = below(&gateway.span.span_id, SpanKind::Client);
            if clients.is_empty() {
                wholeness.no_client_span += 1;
                continue;
            }
            if sent.by_twin {
                let twin =
                    clients.iter().flat_map(|client| below(&client.span.span_id, SpanKind::Server)).next();
                let Some(twin) = twin else {
                    wholeness.no_twin_span += 1;
                    continue;
                };
                clients = below(&twin.span.span_id, SpanKind::Client);
                wholeness.by_twin += 1;
            }
            let expected: HashSet<_> = clients
                .iter()
                .map(|client| format!("00-{}-{}-01", client.trace_id(), client.span_id()))
                .collect();
            let seen: HashSet<_> = sent.seen.iter().cloned().collect();
            if seen.len() != sent.upstreams || !seen.is_subset(&expected) {
                wholeness.not_seen_upstream += 1;
            }
        }
        wholeness
    }

    fn broken(&self) -> usize {
        self.no_caller_span
            + self.no_gateway_span
            + self.no_client_span
            + self.no_twin_span
            + self.not_seen_upstream
    }

    /// Whether all traces are whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken() == 0
    }
}

/// Spans by trace and parent.
type Children<'a> = HashMap<(&'a [u8], &'a [u8]), Vec<&'a Span>>;

fn below<'a>(children: &Children<'a>, trace: &[u8], parent: &[u8], kind: SpanKind) -> Vec<&'a Span> {
    let spans = children.get(&(trace, parent)).into_iter().flatten();
    spans.copied().filter(|span| span.kind() == kind).collect()
}

impl fmt::Display for Wholeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.sent - self.broken();
        write!(
            f,
            "{whole} of {} traces whole: caller → gateway → upstream;\n\
             {} of them by way of the twin: caller → gateway → twin → two upstreams",
            self.sent, self.by_twin
        )?;
        for (count, what) in [
            (self.no_caller_span, "without the caller's span"),
            (self.no_gateway_span, "without the gateway's span"),
            (self.no_client_span, "without the client's span"),
            (self.no_twin_span, "without the twin's span"),
            (self.not_seen_upstream, "with another id, or none, at the upstream"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    /// caller 1 → gateway 2 → its client 3 → twin 4 → its clients 5 and 6.
    fn by_twin() -> Vec<Span> {
        let spans = [
            (1, 0, SpanKind::Client),
            (2, 1, SpanKind::Server),
            (3, 2, SpanKind::Client),
            (4, 3, SpanKind::Server),
            (5, 4, SpanKind::Client),
            (6, 4, SpanKind::Client),
        ];
        let span = |(id, parent, kind): (u8, u8, SpanKind)| {
            let mut span =
                Span { resource_service: String::new(), scope: String::new(), span: Default::default() };
            span.span.trace_id = vec![7; 16];
            span.span.span_id = vec![id; 8];
            span.span.parent_span_id = if parent > 0 { vec![parent; 8] } else { Vec::new() };
            span.span.kind = kind.into();
            span
        };
        spans.map(span).to_vec()
    }

    fn sent(seen: [u8; 2]) -> Sent {
        let seen = seen.map(|id| format!("00-{}-{}-01", "07".repeat(16), format!("{id:02x}").repeat(8)));
        let (trace, span) = (TraceId::from_bytes([7; 16]), SpanId::from_bytes([1; 8]));
        let span = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE);
        Sent { span, upstreams: 2, by_twin: true, seen: seen.to_vec(), status: None }
    }

    #[test]
    fn trace_by_twin_whole_only_with_every_hop() {
        let whole = Wholeness::of(&[sent([5, 6])], &by_twin());
        assert_eq!(whole, Wholeness { sent: 1, by_twin: 1, ..Wholeness::default() });
        assert!(whole.is_whole());
        // One upstream received a foreign id; both received the same id.
        for seen in [[5, 9], [5, 5]] {
            assert_eq!(Wholeness::of(&[sent(seen)], &by_twin()).not_seen_upstream, 1, "{seen:?}");
        }
        for (id, missing) in [(1, [1, 0, 0, 0]), (2, [0, 1, 0, 0]), (3, [0, 0, 1, 0]), (4, [0, 0, 0, 1])] {
            let mut spans = by_twin();
            spans.retain(|span| span.span.span_id != [id; 8]);
            let of = Wholeness::of(&[sent([5, 6])], &spans);
            let lacks = [of.no_caller_span, of.no_gateway_span, of.no_client_span, of.no_twin_span];
            assert_eq!(lacks, missing, "without {id}");
        }
    }
}
