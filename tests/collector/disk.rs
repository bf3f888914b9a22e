//! The model of what the Collector wrote: OTLP as JSON, one request a line.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::model::{
    Attributes, Event, Kind, Link, Metric, Metrics, Point, Scope, Span, SpanRef, Value, points,
};

/// All spans, each with its resource.
pub(crate) fn spans(file: &str) -> Vec<(Attributes, Span)> {
    let mut spans = Vec::new();
    for request in file.lines() {
        let request: Json = serde_json::from_str(request).expect("a whole line");
        for resource in list(&request, "resourceSpans") {
            let attributes_of_resource = attributes(&resource["resource"]);
            for scoped in list(resource, "scopeSpans") {
                let scope = scope(scoped);
                let each = list(scoped, "spans").iter();
                spans.extend(each.map(|json| (attributes_of_resource.clone(), span(json, &scope))));
            }
        }
    }
    spans
}

/// The metrics of one resource in a request: a batch may have several collections.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) resource: Attributes,
    pub(crate) metrics: Metrics,
}

/// All exports of metrics, in order.
pub(crate) fn exports(file: &str) -> Vec<Export> {
    let mut exports = Vec::new();
    for request in file.lines() {
        let request: Json = serde_json::from_str(request).expect("a whole line");
        exports.extend(list(&request, "resourceMetrics").iter().map(export));
    }
    exports
}

fn export(resource: &Json) -> Export {
    let mut metrics = Metrics::new();
    for scoped in list(resource, "scopeMetrics") {
        for json in list(scoped, "metrics") {
            let metric = metric(json, scope(scoped));
            let key = (metric.scope.name.clone(), text(json, "name"));
            assert!(metrics.insert(key, metric).is_none(), "twice in one export: {json}");
        }
    }
    Export { resource: attributes(&resource["resource"]), metrics }
}

fn span(json: &Json, scope: &Scope) -> Span {
    Span {
        scope: scope.clone(),
        name: text(json, "name"),
        context: span_ref(json),
        parent: text(json, "parentSpanId"),
        kind: number(json, "kind"),
        start: number(json, "startTimeUnixNano"),
        end: number(json, "endTimeUnixNano"),
        attributes: attributes(json),
        events: list(json, "events")
            .iter()
            .map(|event| Event {
                name: text(event, "name"),
                time: number(event, "timeUnixNano"),
                attributes: attributes(event),
                dropped: number(event, "droppedAttributesCount"),
            })
            .collect(),
        links: list(json, "links")
            .iter()
            .map(|link| Link {
                context: span_ref(link),
                attributes: attributes(link),
                dropped: number(link, "droppedAttributesCount"),
            })
            .collect(),
        status: (number(&json["status"], "code"), text(&json["status"], "message")),
        dropped: ["droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"]
            .map(|key| number(json, key)),
    }
}

fn metric(json: &Json, scope: Scope) -> Metric {
    let kinds = ["gauge", "sum", "histogram", "exponentialHistogram"];
    let found: Vec<_> = kinds.into_iter().filter(|kind| json.get(kind).is_some()).collect();
    let [name] = found[..] else { panic!("one type in {json}") };
    let data = &json[name];
    let temporality = number(data, "aggregationTemporality");
    let kind = match name {
        "gauge" => Kind::Gauge,
        "sum" => Kind::Sum { temporality, monotonic: data["isMonotonic"].as_bool().unwrap_or_default() },
        "histogram" => Kind::Histogram { temporality },
        _ => Kind::Exponential { temporality },
    };
    let list = list(data, "dataPoints");
    let metric = Metric {
        scope,
        description: text(json, "description"),
        unit: text(json, "unit"),
        kind,
        points: points(list.iter().map(|json| (attributes(json), point(json, kind)))),
    };
    assert_eq!(metric.points.len(), list.len(), "a series twice in {json}");
    metric
}

fn point(json: &Json, kind: Kind) -> Point {
    assert!(number(json, "startTimeUnixNano") <= number(json, "timeUnixNano"), "{json}");
    let extremes = ["min", "max"].map(|key| json.get(key).map(float));
    let sum = json.get("sum").map_or(0.0, float);
    let count = number(json, "count");
    match kind {
        Kind::Gauge | Kind::Sum { .. } => Point::Number(match json.get("asDouble") {
            Some(value) => Value::Double(float(value)),
            None => Value::Int(integer(&json["asInt"])),
        }),
        Kind::Histogram { .. } => Point::Histogram {
            count,
            sum,
            extremes,
            bounds: list(json, "explicitBounds").iter().map(float).collect(),
            buckets: list(json, "bucketCounts").iter().map(natural).collect(),
        },
        Kind::Exponential { .. } => Point::Exponential {
            count,
            sum,
            extremes,
            scale: json.get("scale").map_or(0, integer),
            zeros: number(json, "zeroCount"),
            positive: buckets(&json["positive"]),
            negative: buckets(&json["negative"]),
        },
    }
}

fn buckets(json: &Json) -> (i64, Vec<u64>) {
    (json.get("offset").map_or(0, integer), list(json, "bucketCounts").iter().map(natural).collect())
}

/// The scope of `scopeSpans` or `scopeMetrics`.
fn scope(scoped: &Json) -> Scope {
    let scope = &scoped["scope"];
    Scope {
        name: text(scope, "name"),
        version: text(scope, "version"),
        schema: text(scoped, "schemaUrl"),
        attributes: attributes(scope),
    }
}

fn span_ref(json: &Json) -> SpanRef {
    SpanRef {
        trace_id: text(json, "traceId"),
        span_id: text(json, "spanId"),
        trace_state: text(json, "traceState"),
        flags: number(json, "flags"),
    }
}

fn attributes(json: &Json) -> Attributes {
    let pairs = list(json, "attributes");
    let attributes: BTreeMap<_, _> =
        pairs.iter().map(|pair| (text(pair, "key"), value(&pair["value"]))).collect();
    assert_eq!(attributes.len(), pairs.len(), "a key twice in {json}");
    attributes
}

fn value(json: &Json) -> Value {
    let only = json.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
    match only {
        Some((key, value)) if key == "boolValue" => Value::Bool(value.as_bool().unwrap()),
        Some((key, value)) if key == "intValue" => Value::Int(integer(value)),
        Some((key, value)) if key == "doubleValue" => Value::Double(float(value)),
        Some((key, value)) if key == "stringValue" => Value::Text(value.as_str().unwrap().to_owned()),
        Some((key, array)) if key == "arrayValue" => {
            Value::List(list(array, "values").iter().map(value).collect())
        }
        _ => panic!("a value of a new type: {json}"),
    }
}

/// Empty if it is left out, as JSON leaves out what has its default.
fn list<'a>(json: &'a Json, key: &str) -> &'a [Json] {
    json.get(key).map_or(&[], |list| list.as_array().expect("a list"))
}

fn text(json: &Json, key: &str) -> String {
    json.get(key).map_or_else(String::new, |text| text.as_str().expect("a text").to_owned())
}

fn number(json: &Json, key: &str) -> u64 {
    json.get(key).map_or(0, natural)
}

/// 64-bit numbers are strings in protobuf's JSON.
fn natural(json: &Json) -> u64 {
    json.as_u64().or_else(|| json.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{json} is no number"))
}

fn integer(json: &Json) -> i64 {
    json.as_i64().or_else(|| json.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{json} is no number"))
}

fn float(json: &Json) -> f64 {
    json.as_f64().or_else(|| json.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{json} is no number"))
}
