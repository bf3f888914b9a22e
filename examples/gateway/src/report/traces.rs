//! Whether each trace is whole: the caller's id at the gateway, at the client and at the upstream.

use std::collections::HashMap;
use std::fmt;

use outbound_tests::otlp::{Span, SpanKind};

use crate::traffic::Sent;

/// How many of the caller's traces are whole, and what the others lack.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wholeness {
    sent: usize,
    no_gateway_span: usize,
    no_client_span: usize,
    not_seen_upstream: usize,
}

impl Wholeness {
    pub(super) fn of(sent: &[Sent], spans: &[Span]) -> Wholeness {
        let mut children: HashMap<_, Vec<&Span>> = HashMap::new();
        for span in spans {
            children.entry((&span.span.trace_id[..], &span.span.parent_span_id[..])).or_default().push(span);
        }
        let mut wholeness = Wholeness { sent: sent.len(), ..Wholeness::default() };
        for sent in sent {
            let trace = sent.trace.to_bytes();
            let child = |parent: &[u8], kind| {
                let spans = children.get(&(&trace[..], parent))?;
                spans.iter().find(|span| span.kind() == kind).copied()
            };
            let Some(gateway) = child(&sent.span.to_bytes(), SpanKind::Server) else {
                wholeness.no_gateway_span += 1;
                continue;
            };
            let Some(client) = child(&gateway.span.span_id, SpanKind::Client) else {
                wholeness.no_client_span += 1;
                continue;
            };
            let expected = format!("00-{}-{}-01", sent.trace, client.span_id());
            if sent.seen.as_deref() != Some(&expected) {
                wholeness.not_seen_upstream += 1;
            }
        }
        wholeness
    }

    fn broken(&self) -> usize {
        self.no_gateway_span + self.no_client_span + self.not_seen_upstream
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.broken() == 0
    }
}

impl fmt::Display for Wholeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.sent - self.broken();
        write!(f, "{whole} of {} traces whole: caller → gateway → upstream", self.sent)?;
        for (count, what) in [
            (self.no_gateway_span, "without the gateway's span"),
            (self.no_client_span, "without the client's span"),
            (self.not_seen_upstream, "with another id, or none, at the upstream"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}
