//! Random batches.

use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::assert_same;
use super::cases::span;

fn value() -> impl Strategy<Value = Value> {
    let string = || ".{0,150}".prop_map(StringValue::from);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
        string().prop_map(Value::String),
        vec(any::<bool>(), 0..5).prop_map(|values| Value::Array(Array::Bool(values))),
        vec(any::<i64>(), 0..5).prop_map(|values| Value::Array(Array::I64(values))),
        vec(any::<f64>(), 0..5).prop_map(|values| Value::Array(Array::F64(values))),
        vec(string(), 0..5).prop_map(|values| Value::Array(Array::String(values))),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    vec(("[a-z.]{0,20}", value()).prop_map(|(key, value)| KeyValue::new(key, value)), 0..6)
}

fn time() -> impl Strategy<Value = SystemTime> {
    let after = |nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
    any::<u64>().prop_map(after)
}

fn context() -> impl Strategy<Value = SpanContext> {
    let state = option::of(vec(("[a-z][a-z0-9]{0,5}", "[a-z0-9]{1,9}"), 1..4));
    (any::<u128>(), any::<u64>(), any::<u8>(), any::<bool>(), state).prop_map(
        |(trace, span, flags, remote, state)| {
            let state = TraceState::from_key_value(state.unwrap_or_default()).unwrap();
            SpanContext::new(trace.into(), span.into(), TraceFlags::new(flags), remote, state)
        },
    )
}

/// Few, so that spans share them.
fn scope() -> impl Strategy<Value = InstrumentationScope> {
    (0..3_usize, 0..3_usize, option::of(Just("https://schema")), any::<bool>()).prop_map(
        |(name, version, schema, has_attribute)| {
            let mut scope = InstrumentationScope::builder(["", "one", "two"][name]);
            if let Some(version) = ["1", "2"].get(version) {
                scope = scope.with_version(*version);
            }
            if let Some(schema) = schema {
                scope = scope.with_schema_url(schema);
            }
            if has_attribute {
                scope = scope.with_attributes([KeyValue::new("a", 1)]);
            }
            scope.build()
        },
    )
}

fn events() -> impl Strategy<Value = SpanEvents> {
    let event = (".{0,20}", time(), attributes(), 0..3_u32);
    let event =
        event.prop_map(|(name, time, attributes, dropped)| Event::new(name, time, attributes, dropped));
    (vec(event, 0..3), 0..3_u32).prop_map(|(events, dropped)| {
        let mut all = SpanEvents::default();
        (all.events, all.dropped_count) = (events, dropped);
        all
    })
}

fn links() -> impl Strategy<Value = SpanLinks> {
    let link = (context(), attributes(), 0..3_u32);
    let link = link.prop_map(|(context, attributes, dropped)| Link::new(context, attributes, dropped));
    (vec(link, 0..3), 0..3_u32).prop_map(|(links, dropped)| {
        let mut all = SpanLinks::default();
        (all.links, all.dropped_count) = (links, dropped);
        all
    })
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![Just(Status::Unset), Just(Status::Ok), ".{0,200}".prop_map(Status::error)]
}

fn kind() -> impl Strategy<Value = SpanKind> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server};
    prop::sample::select(vec![Client, Consumer, Internal, Producer, Server])
}

fn any_span() -> impl Strategy<Value = SpanData> {
    let ids = (context(), any::<u64>(), any::<bool>(), kind());
    let content = (".{0,40}", time(), time(), attributes(), 0..3_u32);
    (ids, content, events(), links(), status(), scope()).prop_map(
        |(ids, content, events, links, status, scope)| {
            let mut data = span();
            data.span_context = ids.0;
            data.parent_span_id = SpanId::from(ids.1 % 3);
            (data.parent_span_is_remote, data.span_kind) = (ids.2, ids.3);
            data.name = content.0.into();
            (data.start_time, data.end_time) = (content.1, content.2);
            (data.attributes, data.dropped_attributes_count) = (content.3, content.4);
            (data.events, data.links, data.status) = (events, links, status);
            data.instrumentation_scope = scope;
            data
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn protobuf_random_batches_are_same(spans in vec(any_span(), 0..8), attributes in attributes()) {
        assert_same(&spans, &Resource::builder_empty().with_attributes(attributes).build());
    }
}
