//! `Span`, with its events, links and status.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Event, Link, SpanId, SpanKind, Status, TraceState};
use opentelemetry_sdk::trace::SpanData;

use super::attributes::pairs;
use super::writer::{Writer, field_length};

/// Whether the parent is remote is known, and is it (`SpanFlags`).
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

impl Writer<'_> {
    /// The fields of a `Span`, by their numbers.
    pub(super) fn span(&mut self, span: &SpanData) {
        let context = &span.span_context;
        self.always_bytes(1, &context.trace_id().to_bytes());
        self.always_bytes(2, &context.span_id().to_bytes());
        self.trace_state(3, context.trace_state());
        if span.parent_span_id != SpanId::INVALID {
            self.always_bytes(4, &span.parent_span_id.to_bytes());
        }
        self.text(5, &span.name);
        self.varint(6, kind(&span.span_kind));
        self.fixed_64(7, nanoseconds(span.start_time));
        self.fixed_64(8, nanoseconds(span.end_time));
        self.attributes(9, pairs(&span.attributes));
        self.varint(10, span.dropped_attributes_count);
        for event in &*span.events {
            self.message(11, 1, |writer| writer.event(event));
        }
        self.varint(12, span.events.dropped_count);
        for link in &*span.links {
            self.message(13, 1, |writer| writer.link(link));
        }
        self.varint(14, span.links.dropped_count);
        self.status(15, &span.status);
        self.fixed_32(16, flags(span.parent_span_is_remote, context.trace_flags().to_u8()));
    }

    fn event(&mut self, event: &Event) {
        self.fixed_64(1, nanoseconds(event.timestamp));
        self.text(2, &event.name);
        self.attributes(3, pairs(&event.attributes));
        self.varint(4, event.dropped_attributes_count);
    }

    fn link(&mut self, link: &Link) {
        let context = &link.span_context;
        self.always_bytes(1, &context.trace_id().to_bytes());
        self.always_bytes(2, &context.span_id().to_bytes());
        self.trace_state(3, context.trace_state());
        self.attributes(4, pairs(&link.attributes));
        self.varint(5, link.dropped_attributes_count);
        self.fixed_32(6, flags(context.is_remote(), context.trace_flags().to_u8()));
    }

    fn trace_state(&mut self, field: u32, state: &TraceState) {
        if state.into_iter().len() > 0 {
            self.text(field, &state.header());
        }
    }

    /// A `Status`, also if it is unset.
    fn status(&mut self, field: u32, status: &Status) {
        const MESSAGE: u32 = 2;
        const CODE: u32 = 3;
        let (code, message) = match status {
            Status::Unset => return self.head(field, 0),
            Status::Ok => (1, ""),
            Status::Error { description } => (2, &**description),
        };
        let message_length = if message.is_empty() { 0 } else { field_length(message.len()) };
        self.head(field, message_length + 2);
        self.text(MESSAGE, message);
        self.varint(CODE, code);
    }
}

fn kind(kind: &SpanKind) -> u32 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

fn flags(is_remote: bool, trace_flags: u8) -> u32 {
    let remote = if is_remote { IS_REMOTE } else { 0 };
    HAS_IS_REMOTE | remote | u32::from(trace_flags)
}

/// 0 before 1970; until 2554.
fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
