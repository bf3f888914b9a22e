//! Each field and each kind of value.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::assert_same;

fn resource() -> Resource {
    Resource::builder_empty().with_service_name("shop").build()
}

fn context(state: &str) -> SpanContext {
    let state = state.parse::<TraceState>().unwrap();
    SpanContext::new(TraceId::from(7 << 100 | 1), SpanId::from(2), TraceFlags::SAMPLED, false, state)
}

/// Every field has its default, as far as it can.
pub(super) fn span() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::Borrowed(""),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

/// A span with a change.
fn with(change: impl FnOnce(&mut SpanData)) -> SpanData {
    let mut span = span();
    change(&mut span);
    span
}

fn assert_same_span(change: impl FnOnce(&mut SpanData)) {
    assert_same(&[with(change)], &resource());
}

fn in_scope(name: &'static str, version: &'static str, attributes: Vec<KeyValue>) -> SpanData {
    let scope = InstrumentationScope::builder(name).with_version(version).with_attributes(attributes);
    with(|span| span.instrumentation_scope = scope.build())
}

#[test]
fn protobuf_batch_without_spans_and_empty_span_are_same() {
    assert_same(&[], &resource());
    assert_same(&[], &Resource::builder_empty().build());
    assert_same_span(|_| {});
}

#[test]
fn protobuf_resource_and_its_schema_are_same() {
    let many = (0..40).map(|number| KeyValue::new(format!("key {number}"), i64::from(number)));
    let schema = "https://opentelemetry.io/schemas/1.42.0";
    assert_same(&[span()], &Resource::builder_empty().with_schema_url(many, schema).build());
}

#[test]
fn protobuf_ids_state_flags_and_kinds_are_same() {
    for state in ["", "a=1", "a=1,vendor@sys=2;3"] {
        assert_same_span(|span| span.span_context = context(state));
    }
    for kind in
        [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer]
    {
        assert_same_span(|span| span.span_kind = kind);
    }
    for remote in [false, true] {
        assert_same_span(|span| {
            span.parent_span_id = SpanId::from(u64::MAX);
            span.parent_span_is_remote = remote;
        });
    }
    for flags in [0, 1, 2, 0xff] {
        assert_same_span(|span| {
            let (trace, id) = (TraceId::from(u128::MAX), SpanId::from(1));
            let flags = TraceFlags::new(flags);
            span.span_context = SpanContext::new(trace, id, flags, true, TraceState::NONE);
        });
    }
}

#[test]
fn protobuf_times_are_same() {
    let epoch = SystemTime::UNIX_EPOCH;
    // The last is after 2554, when nanoseconds need more than 64 bits.
    for after in [0, 1, u64::MAX / 1_000_000_000, 20_000_000_000] {
        assert_same_span(|span| {
            span.start_time = epoch + Duration::from_secs(after);
            span.end_time = epoch + Duration::new(after, 999_999_999);
        });
    }
    assert_same_span(|span| span.start_time = epoch - Duration::from_secs(1));
}

#[test]
fn protobuf_status_is_same() {
    for status in [Status::Unset, Status::Ok, Status::error(""), Status::error("x".repeat(300))] {
        assert_same_span(|span| span.status = status);
    }
}

#[test]
fn protobuf_every_kind_of_value_is_same() {
    let ints = [0, 1, 127, 128, 1 << 40, i64::MAX, -1, i64::MIN];
    let floats = [0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE];
    let texts = ["".to_owned(), "ü".to_owned(), "x".repeat(127), "x".repeat(128), "x".repeat(40_000)];
    let strings = || texts.iter().map(|text| StringValue::from(text.clone()));
    let mut values = vec![Value::Bool(false), Value::Bool(true), "static".into()];
    values.push(Value::from(Arc::<str>::from("shared")));
    values.extend(ints.map(Value::I64));
    values.extend(floats.map(Value::F64));
    values.extend(strings().map(Value::String));
    values
        .extend([vec![], vec![false, true], vec![true; 100]].map(|values| Value::Array(Array::Bool(values))));
    values.extend([vec![], ints.to_vec()].map(|values| Value::Array(Array::I64(values))));
    values.extend([vec![], floats.to_vec()].map(|values| Value::Array(Array::F64(values))));
    values.extend([vec![], strings().collect()].map(|values| Value::Array(Array::String(values))));
    for value in values {
        for key in [Key::from(""), "a.key".into(), "k".repeat(200).into()] {
            assert_same_span(|span| span.attributes = vec![KeyValue::new(key, value.clone())]);
        }
    }
}

#[test]
fn protobuf_attributes_around_128_bytes_are_same() {
    for key in [1, 2, 60, 110, 119, 120, 121, 122, 123, 130] {
        let key = || "k".repeat(key);
        assert_same_span(|span| {
            let texts = (0..140).map(|size| Value::from("x".repeat(size)));
            let others = [Value::I64(127), Value::I64(128), Value::Bool(true), Value::Bool(false)];
            span.attributes = texts.chain(others).map(|value| KeyValue::new(key(), value)).collect();
        });
    }
}

#[test]
fn protobuf_dropped_counts_are_same() {
    for count in [1, 128, u32::MAX] {
        assert_same_span(|span| {
            span.dropped_attributes_count = count;
            span.events.dropped_count = count;
            span.links.dropped_count = count;
        });
    }
}

#[test]
fn protobuf_events_and_links_are_same() {
    // With lengths of one, two and three bytes.
    for size in [0, 200, 20_000] {
        let attributes = vec![KeyValue::new("text", "x".repeat(size)), KeyValue::new("n", 1)];
        for (attributes, dropped) in [(Vec::new(), 0), (attributes, 3)] {
            assert_same_span(|span| {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
                let event = Event::new("an event", time, attributes.clone(), dropped);
                span.events.events = vec![Event::with_name(""), event];
                let link = Link::new(context("a=1"), attributes, dropped);
                span.links.links = vec![Link::with_context(SpanContext::empty_context()), link];
            });
        }
    }
}

#[test]
fn protobuf_scopes_are_grouped_in_order() {
    let attribute = |value: i64| vec![KeyValue::new("a", value)];
    let ab = vec![KeyValue::new("a", 1), KeyValue::new("b", 2)];
    let ba = vec![KeyValue::new("b", 2), KeyValue::new("a", 1)];
    let spans = [
        in_scope("one", "1", Vec::new()),
        in_scope("two", "", Vec::new()),
        in_scope("one", "1", Vec::new()),
        in_scope("one", "2", Vec::new()),
        in_scope("one", "1", attribute(1)),
        in_scope("one", "1", attribute(2)),
        in_scope("one", "1", attribute(1)),
        in_scope("one", "1", ab),
        in_scope("one", "1", ba),
        // Static names that are the same text at another place.
        in_scope(String::from("one").leak(), "1", Vec::new()),
    ];
    let mut spans = spans.to_vec();
    for (number, span) in spans.iter_mut().enumerate() {
        span.name = number.to_string().into();
    }
    assert_same(&spans, &resource());
    let schema = InstrumentationScope::builder("one").with_version("1").with_schema_url("https://a").build();
    spans.insert(1, with(|span| span.instrumentation_scope = schema));
    assert_same(&spans, &resource());
}

#[test]
fn protobuf_batches_of_every_length_are_same() {
    // A length takes another byte at each of these sizes, in bytes, of a span, a scope and a batch.
    for size in [100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        for less in 0..80 {
            let text = "x".repeat(size - less);
            assert_same_span(|span| span.name = text.into());
            if size > 100_000 && less > 20 {
                break;
            }
        }
    }
    let spans = vec![with(|span| span.attributes = vec![KeyValue::new("k", 1)]); 700];
    assert_same(&spans, &resource());
}
