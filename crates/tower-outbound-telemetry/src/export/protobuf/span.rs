//! `Span`, with its events, links and status.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry_sdk::trace::{SpanData, SpanLimits};
use tower_outbound_otel::late::MadeSpan;

use super::super::batch::limited;
use super::attributes::pairs;
use super::writer::{Writer, field_length};

/// Whether the parent is remote is known, and is it (`SpanFlags`).
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// A span of the SDK's, or one of an attempt.
pub(super) struct View<'a> {
    trace: TraceId,
    id: SpanId,
    state: &'a TraceState,
    flags: TraceFlags,
    parent: SpanId,
    parent_is_remote: bool,
    name: &'a str,
    kind: &'a SpanKind,
    start: u64,
    end: u64,
    attributes: &'a [KeyValue],
    dropped_attributes: u32,
    events: &'a [Event],
    dropped_events: u32,
    links: &'a [Link],
    /// A link without attributes.
    link: Option<&'a SpanContext>,
    dropped_links: u32,
    status: &'a Status,
}

impl<'a> View<'a> {
    pub(super) fn of(span: &'a SpanData) -> Self {
        let context = &span.span_context;
        Self {
            trace: context.trace_id(),
            id: context.span_id(),
            state: context.trace_state(),
            flags: context.trace_flags(),
            parent: span.parent_span_id,
            parent_is_remote: span.parent_span_is_remote,
            name: &span.name,
            kind: &span.span_kind,
            start: nanoseconds(span.start_time),
            end: nanoseconds(span.end_time),
            attributes: &span.attributes,
            dropped_attributes: span.dropped_attributes_count,
            events: &span.events,
            dropped_events: span.events.dropped_count,
            links: &span.links,
            link: None,
            dropped_links: span.links.dropped_count,
            status: &span.status,
        }
    }

    /// `events`: those of the span, within the limits, and how many were dropped.
    pub(super) fn of_made(
        span: &'a MadeSpan<'_>,
        (events, dropped_events): (&'a [Event], u32),
        limits: &SpanLimits,
    ) -> Self {
        let (attributes, dropped_attributes) = limited(span.attributes, limits.max_attributes_per_span);
        let link = span.link.filter(|_| limits.max_links_per_span > 0);
        Self {
            trace: span.attempt.trace_id(),
            id: span.id,
            state: span.attempt.trace_state(),
            flags: span.attempt.trace_flags(),
            parent: span.parent,
            parent_is_remote: span.parent_is_remote,
            name: &span.name,
            kind: &span.kind,
            start: span.start,
            end: span.end,
            attributes,
            dropped_attributes,
            events,
            dropped_events,
            links: &[],
            link,
            dropped_links: (span.link.is_some() && link.is_none()).into(),
            status: &span.status,
        }
    }
}

impl Writer<'_> {
    /// The fields of a `Span`, by their numbers.
    pub(super) fn span(&mut self, span: &View<'_>) {
        self.always_bytes(1, &span.trace.to_bytes());
        self.always_bytes(2, &span.id.to_bytes());
        self.trace_state(3, span.state);
        if span.parent != SpanId::INVALID {
            self.always_bytes(4, &span.parent.to_bytes());
        }
        self.text(5, span.name);
        self.varint(6, kind(span.kind));
        self.fixed_64(7, span.start);
        self.fixed_64(8, span.end);
        self.attributes(9, pairs(span.attributes));
        self.varint(10, span.dropped_attributes);
        for event in span.events {
            self.message(11, 1, |writer| writer.event(event));
        }
        self.varint(12, span.dropped_events);
        for link in span.links {
            self.message(13, 1, |writer| writer.link(link));
        }
        if let Some(context) = span.link {
            self.message(13, 1, |writer| writer.linked(context, &[], 0));
        }
        self.varint(14, span.dropped_links);
        self.status(15, span.status);
        self.fixed_32(16, flags(span.parent_is_remote, span.flags));
    }

    fn event(&mut self, event: &Event) {
        self.fixed_64(1, nanoseconds(event.timestamp));
        self.text(2, &event.name);
        self.attributes(3, pairs(&event.attributes));
        self.varint(4, event.dropped_attributes_count);
    }

    fn link(&mut self, link: &Link) {
        self.linked(&link.span_context, &link.attributes, link.dropped_attributes_count);
    }

    fn linked(&mut self, context: &SpanContext, attributes: &[KeyValue], dropped: u32) {
        self.always_bytes(1, &context.trace_id().to_bytes());
        self.always_bytes(2, &context.span_id().to_bytes());
        self.trace_state(3, context.trace_state());
        self.attributes(4, pairs(attributes));
        self.varint(5, dropped);
        self.fixed_32(6, flags(context.is_remote(), context.trace_flags()));
    }

    fn trace_state(&mut self, field: u32, state: &TraceState) {
        if *state != TraceState::NONE {
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

fn flags(is_remote: bool, flags: TraceFlags) -> u32 {
    let remote = if is_remote { IS_REMOTE } else { 0 };
    HAS_IS_REMOTE | remote | u32::from(flags.to_u8())
}

/// 0 before 1970; until 2554.
fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}
