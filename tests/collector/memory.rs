//! The model of the SDK's data.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status};
use opentelemetry::{Array, InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialBucket, Metric as SdkMetric, MetricData, ResourceMetrics,
};
use opentelemetry_sdk::trace::SpanData;

use crate::model::{
    Attributes, Event, Kind, Link, Metric, Metrics, Point, Scope, Span, SpanRef, Value, points,
};

pub(crate) fn span(data: &SpanData) -> Span {
    Span {
        scope: scope(&data.instrumentation_scope),
        name: data.name.clone().into_owned(),
        context: span_ref(&data.span_context, data.parent_span_is_remote),
        parent: match data.parent_span_id {
            SpanId::INVALID => String::new(),
            parent => parent.to_string(),
        },
        kind: match data.span_kind {
            SpanKind::Internal => 1,
            SpanKind::Server => 2,
            SpanKind::Client => 3,
            SpanKind::Producer => 4,
            SpanKind::Consumer => 5,
        },
        start: nanoseconds(data.start_time),
        end: nanoseconds(data.end_time),
        attributes: attributes(&data.attributes),
        events: data
            .events
            .iter()
            .map(|event| Event {
                name: event.name.clone().into_owned(),
                time: nanoseconds(event.timestamp),
                attributes: attributes(&event.attributes),
                dropped: event.dropped_attributes_count.into(),
            })
            .collect(),
        links: data
            .links
            .iter()
            .map(|link| Link {
                context: span_ref(&link.span_context, link.span_context.is_remote()),
                attributes: attributes(&link.attributes),
                dropped: link.dropped_attributes_count.into(),
            })
            .collect(),
        status: match &data.status {
            Status::Unset => (0, String::new()),
            Status::Ok => (1, String::new()),
            Status::Error { description } => (2, description.clone().into_owned()),
        },
        dropped: [data.dropped_attributes_count, data.events.dropped_count, data.links.dropped_count]
            .map(u64::from),
    }
}

/// Metrics of one collection.
pub(crate) fn metrics(collected: &ResourceMetrics) -> Metrics {
    let mut metrics = Metrics::new();
    for scoped in collected.scope_metrics() {
        for metric in scoped.metrics() {
            let scope = scope(scoped.scope());
            let (kind, points) = match metric.data() {
                AggregatedMetrics::F64(data) => points_of(data, Value::Double, |value| value),
                AggregatedMetrics::U64(data) => {
                    points_of(data, |value| Value::Int(value as i64), |value| value as f64)
                }
                AggregatedMetrics::I64(data) => points_of(data, Value::Int, |value| value as f64),
            };
            metrics.insert(
                (scope.name.clone(), metric.name().to_owned()),
                described(metric, scope, kind, points),
            );
        }
    }
    metrics
}

type Points = Vec<(Attributes, Point)>;

fn described(metric: &SdkMetric, scope: Scope, kind: Kind, list: Points) -> Metric {
    let (description, unit) = (metric.description().to_owned(), metric.unit().to_owned());
    Metric { scope, description, unit, kind, points: points(list.into_iter()) }
}

fn points_of<T: Copy>(
    data: &MetricData<T>,
    number: impl Fn(T) -> Value,
    float: impl Fn(T) -> f64,
) -> (Kind, Points) {
    match data {
        MetricData::Gauge(gauge) => {
            let points = gauge.data_points();
            let points = points.map(|point| (of(point.attributes()), Point::Number(number(point.value()))));
            (Kind::Gauge, points.collect())
        }
        MetricData::Sum(sum) => {
            let points = sum.data_points();
            let points = points.map(|point| (of(point.attributes()), Point::Number(number(point.value()))));
            let temporality = temporality(sum.temporality());
            (Kind::Sum { temporality, monotonic: sum.is_monotonic() }, points.collect())
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points().map(|point| {
                let value = Point::Histogram {
                    count: point.count(),
                    sum: float(point.sum()),
                    extremes: [point.min().map(&float), point.max().map(&float)],
                    bounds: point.bounds().collect(),
                    buckets: point.bucket_counts().collect(),
                };
                (of(point.attributes()), value)
            });
            (Kind::Histogram { temporality: temporality(histogram.temporality()) }, points.collect())
        }
        MetricData::ExponentialHistogram(histogram) => {
            let points = histogram.data_points().map(|point| {
                let value = Point::Exponential {
                    count: point.count() as u64,
                    sum: float(point.sum()),
                    extremes: [point.min().map(&float), point.max().map(&float)],
                    scale: point.scale().into(),
                    zeros: point.zero_count(),
                    positive: buckets(point.positive_bucket()),
                    negative: buckets(point.negative_bucket()),
                };
                (of(point.attributes()), value)
            });
            (Kind::Exponential { temporality: temporality(histogram.temporality()) }, points.collect())
        }
    }
}

fn buckets(buckets: &ExponentialBucket) -> (i64, Vec<u64>) {
    (buckets.offset().into(), buckets.counts().collect())
}

fn temporality(temporality: Temporality) -> u64 {
    match temporality {
        Temporality::Delta => 1,
        _ => 2,
    }
}

fn scope(scope: &InstrumentationScope) -> Scope {
    Scope {
        name: scope.name().to_owned(),
        version: scope.version().unwrap_or_default().to_owned(),
        schema: scope.schema_url().unwrap_or_default().to_owned(),
        attributes: of(scope.attributes()),
    }
}

fn span_ref(context: &SpanContext, remote: bool) -> SpanRef {
    SpanRef {
        trace_id: context.trace_id().to_string(),
        span_id: context.span_id().to_string(),
        trace_state: context.trace_state().header(),
        flags: u64::from(context.trace_flags().to_u8()) | 0x100 | if remote { 0x200 } else { 0 },
    }
}

fn of<'a>(list: impl Iterator<Item = &'a KeyValue>) -> Attributes {
    list.map(|pair| (pair.key.to_string(), value(&pair.value))).collect()
}

fn attributes(list: &[KeyValue]) -> Attributes {
    let attributes = of(list.iter());
    assert_eq!(attributes.len(), list.len(), "a key twice in {list:?}");
    attributes
}

fn value(value: &opentelemetry::Value) -> Value {
    use opentelemetry::Value as Sdk;
    match value {
        Sdk::Bool(flag) => Value::Bool(*flag),
        Sdk::I64(number) => Value::Int(*number),
        Sdk::F64(number) => Value::Double(*number),
        Sdk::String(text) => Value::Text(text.to_string()),
        Sdk::Array(Array::Bool(list)) => Value::List(list.iter().copied().map(Value::Bool).collect()),
        Sdk::Array(Array::I64(list)) => Value::List(list.iter().copied().map(Value::Int).collect()),
        Sdk::Array(Array::F64(list)) => Value::List(list.iter().copied().map(Value::Double).collect()),
        Sdk::Array(Array::String(list)) => {
            Value::List(list.iter().map(|text| Value::Text(text.to_string())).collect())
        }
        other => panic!("a value of a new type: {other:?}"),
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_nanos().try_into().unwrap()
}
