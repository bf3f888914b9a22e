//! The tables of the semantic conventions, against what the Collector wrote: names, types, units and buckets.
//!
//! When which attribute is there is tested with the SDK's copy, in `tower-outbound-otel`.

use std::collections::BTreeSet;

use outbound_tests::conventions::{Table, tables};
use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{COLLECTOR, Collector, Entrance};
use tower_outbound_otel::OtelObserverBuilder;
use tower_outbound_telemetry::OtlpProtocol;

use crate::matrix::RECEIVER;
use crate::model::{Attributes, Kind, Metric, Point, Value};
use crate::pipeline::{Options, Pipeline};
use crate::{disk, traffic};

/// OTLP's number of a span's kind.
const CLIENT: u64 = 3;

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("conventions_on_disk_match_tables", COLLECTOR, match_tables)]
}

async fn match_tables() {
    let mut collector = Collector::start(&[RECEIVER]).await.unwrap();
    let options = Options { protocol: OtlpProtocol::Grpc, entrance: Entrance::Plain, variables: Vec::new() };
    let pipeline = Pipeline::start(&collector, &options);
    traffic::run(&pipeline, OtelObserverBuilder::body_sizes).await;
    pipeline.end().await;
    collector.end().await.unwrap();

    let tables = tables();
    let mut seen = BTreeSet::new();
    let schema = "https://opentelemetry.io/schemas/1.44.0";
    for (_, span) in disk::spans(&collector.read("traces.jsonl")) {
        if span.scope.name != "tower-outbound-otel" {
            continue;
        }
        assert_eq!(span.scope.schema, schema);
        // The spans of phases and setups are not the convention's, their attributes are.
        let all: Vec<_> = tables.values().collect();
        types(&span.name, &all, &span.attributes);
        if span.kind == CLIENT {
            let names: &[_] = match span.attributes.contains_key("rpc.system.name") {
                true => &["span http.client", "span rpc.grpc.client"],
                false => &["span http.client"],
            };
            let theirs: Vec<_> = names.iter().map(|name| &tables[*name]).collect();
            attributes(&span.name, &theirs, &span.attributes);
            seen.extend(names.iter().map(|name| (*name).to_owned()));
        }
    }
    let exports = disk::exports(&collector.read("metrics.jsonl"));
    for ((scope, name), metric) in exports.iter().flat_map(|export| &export.metrics) {
        if scope != "tower-outbound-otel" {
            continue;
        }
        assert_eq!(metric.scope.schema, schema);
        let title = format!("metric {name}");
        match tables.get(&title) {
            Some(table) => is_as(name, table, metric),
            None => assert!(name.starts_with("outbound."), "{name} is in no table"),
        }
        seen.insert(title);
    }
    let missing: Vec<_> = tables.keys().filter(|title| !seen.contains(*title)).collect();
    assert!(missing.is_empty(), "not sent: {missing:?}");
}

fn is_as(name: &str, table: &Table, metric: &Metric) {
    let kind = match metric.kind {
        Kind::Histogram { .. } => "histogram",
        Kind::Sum { monotonic: true, .. } => "counter",
        Kind::Sum { monotonic: false, .. } => "updowncounter",
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!((kind, &metric.unit), (&*table.kind, &table.unit), "{name}");
    for (given, point) in metric.points.values() {
        attributes(name, &[table], given);
        types(name, &[table], given);
        if let (Point::Histogram { bounds, .. }, false) = (point, table.buckets.is_empty()) {
            assert_eq!(*bounds, table.buckets, "{name}");
        }
    }
}

/// The required ones are there, and no others than the tables' and our own.
fn attributes(what: &str, tables: &[&Table], given: &Attributes) {
    let rows = || tables.iter().flat_map(|table| &table.rows);
    for row in rows().filter(|row| row.level == "Required") {
        assert!(given.contains_key(&row.attribute), "{what}: no {} in {given:?}", row.attribute);
    }
    for key in given.keys().filter(|key| !key.starts_with("outbound.")) {
        assert!(rows().any(|row| row.is(key)), "{what}: {key} is in no table");
    }
}

fn types(what: &str, tables: &[&Table], given: &Attributes) {
    for (key, value) in given {
        if let Some(row) = tables.iter().flat_map(|table| &table.rows).find(|row| row.is(key)) {
            assert_eq!(type_of(value), row.value_type, "{what}: {key} is {value:?}");
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "boolean",
        Value::Int(_) => "int",
        Value::Double(_) => "double",
        Value::Text(_) => "string",
        Value::List(list) if list.iter().all(|item| matches!(item, Value::Text(_))) => "string[]",
        Value::List(_) => "list",
    }
}
