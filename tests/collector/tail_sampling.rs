//! The configuration of the guide: what tail sampling keeps, what it does to links, and what the span metrics count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt as _;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{COLLECTOR, Collector, Entrance};
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound_telemetry::OtlpProtocol;

use crate::disk;
use crate::model::{Attributes, Metrics, Point, Span, Value};
use crate::pipeline::{Options, Pipeline};

const GUIDE: &str = include_str!("../../crates/tower-outbound-otel/src/collector.md");
const CHANGES: &str = include_str!("../peers/collector/tail_sampling.yaml");

/// Connections, each with a request that succeeds and then one that fails, each in a trace of its own.
const PAIRS: usize = 60;
const INTERNAL: u64 = 1;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LAST: &str = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("tail_sampling_and_span_metrics_of_guide", COLLECTOR, guide)]
}

async fn guide() {
    let (_, block) = GUIDE.split_once("```yaml\n").unwrap();
    let (configuration, _) = block.split_once("```").unwrap();
    let mut collector = Collector::start(&[configuration, CHANGES]).await.unwrap();
    let options = Options { protocol: OtlpProtocol::Grpc, entrance: Entrance::Plain, variables: Vec::new() };
    let pipeline = Pipeline::start(&collector, &options);
    requests(&pipeline).await;
    application(&pipeline);
    let report = pipeline.end().await.report;
    assert!(report.is_complete(), "{report}");

    let calls = |collector: &Collector| counts(&last_metrics(collector), "traces.span.metrics.calls");
    let all = 2 * PAIRS as u64 + 3;
    let counted = |collector: &Collector| calls(collector).values().sum::<u64>() >= all;
    assert!(collector.wait_for(counted, Duration::from_secs(20)).await, "{:?}", calls(&collector));
    // The end decides on what still waits.
    collector.end().await.unwrap();

    let all = traces(&collector.read("all.jsonl"));
    let kept = traces(&collector.read("sampled.jsonl"));
    sampled(&all, &kept);
    links(&all, &kept);
    span_metrics(&all, &collector);
}

async fn requests(pipeline: &Pipeline) {
    let script = Script::new().read_request().write(OK).read_request().write(LAST).close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let client = pipeline.outbound(|observer| observer).client();
    for _ in 0..PAIRS {
        for status in [200, 503] {
            let response = client.get(server.uri("/")).await.unwrap();
            assert_eq!(response.status(), status);
            response.into_body().collect().await.unwrap();
        }
    }
}

/// A trace that was slow, one with a retry, and one that is neither.
fn application(pipeline: &Pipeline) {
    let tracer = pipeline.spans.tracer("application");
    let end = SystemTime::now();
    for (name, milliseconds, attribute) in [
        ("slow", 501, KeyValue::new("a", 1)),
        ("retried", 1, KeyValue::new("http.request.resend_count", 1)),
        ("plain", 499, KeyValue::new("http.request.resend_count", 0)),
    ] {
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Server)
            .with_start_time(end - Duration::from_millis(milliseconds))
            .with_attributes([attribute]);
        tracer.build_with_context(builder, &Context::new()).end_with_timestamp(end);
    }
}

type Traces = BTreeMap<String, Vec<Span>>;

fn traces(file: &str) -> Traces {
    let mut traces = Traces::new();
    for (_, span) in disk::spans(file) {
        traces.entry(span.context.trace_id.clone()).or_default().push(span);
    }
    traces
}

fn ids(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| &*span.context.span_id).collect()
}

/// Every trace with an error, a retry or half a second, and few of the others; all of them whole.
fn sampled(all: &Traces, kept: &Traces) {
    assert_eq!(all.len(), 2 * PAIRS + 3);
    let is_retry = |span: &Span| {
        let count = span.attributes.get("http.request.resend_count");
        matches!(count, Some(Value::Int(1..)))
    };
    let is_slow = |span: &Span| span.end - span.start > 500_000_000;
    let (mut due, mut others) = (0, 0);
    for (id, spans) in all {
        let is_due = spans.iter().any(|span| span.status.0 == 2 || is_retry(span) || is_slow(span));
        let spans_kept = kept.get(id);
        assert!(spans_kept.is_some() || !is_due, "not kept: {spans:#?}");
        if let Some(spans_kept) = spans_kept {
            assert_eq!(ids(spans_kept), ids(spans), "not whole");
            *if is_due { &mut due } else { &mut others } += 1;
        }
    }
    assert!(kept.keys().all(|id| all.contains_key(id)));
    println!("{} traces: {due} kept by a policy, {others} of the others", all.len());
    assert!(due >= PAIRS + 2 && others < PAIRS / 2, "{due} and {others}");
}

/// A kept attempt links to the setup of its connection, whether that one's trace is kept or not.
fn links(all: &Traces, kept: &Traces) {
    let (mut found, mut dangling) = (0, 0);
    let failed = kept.values().flatten().filter(|span| span.status.0 == 2);
    for attempt in failed {
        let [link] = &attempt.links[..] else { panic!("one link in {attempt:#?}") };
        let setup =
            all[&link.context.trace_id].iter().find(|span| span.context.span_id == link.context.span_id);
        assert!(setup.unwrap().name.starts_with("HTTP connection_setup "));
        assert_ne!(link.context.trace_id, attempt.context.trace_id);
        match kept.get(&link.context.trace_id) {
            Some(spans) => {
                assert!(ids(spans).contains(&*link.context.span_id));
                found += 1;
            }
            None => dangling += 1,
        }
        // What the guide names for this case.
        for key in ["connection.id", "connection.reuse", "connection.uses", "connection.idle_time"] {
            assert!(attempt.attributes.contains_key(&format!("outbound.{key}")), "{attempt:#?}");
        }
        assert!(attempt.attributes.contains_key("network.peer.address"));
    }
    println!("links to a setup: {found} lead to a kept trace, {dangling} to none");
    assert_eq!(found + dangling, PAIRS);
    assert!(dangling > PAIRS / 2, "{dangling}");
}

/// Calls and durations of every span but the internal ones, in a series for each set of dimensions.
fn span_metrics(all: &Traces, collector: &Collector) {
    let mut expected = BTreeMap::new();
    for span in all.values().flatten().filter(|span| span.kind != INTERNAL) {
        *expected.entry(dimensions(span)).or_insert(0) += 1;
    }
    let metrics = last_metrics(collector);
    for name in ["traces.span.metrics.calls", "traces.span.metrics.duration"] {
        assert_eq!(counts(&metrics, name), expected, "{name}");
    }
    println!("span metrics: {} series for {} spans", expected.len(), all.values().flatten().count());
    assert_eq!(expected.len(), 5);
}

fn dimensions(span: &Span) -> String {
    let status = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"][span.status.0 as usize];
    let kind = ["", "", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"][span.kind as usize];
    let mut dimensions = Attributes::new();
    for (key, text) in
        [("service.name", "checks"), ("span.name", &span.name), ("span.kind", kind), ("status.code", status)]
    {
        dimensions.insert(key.to_owned(), Value::Text(text.to_owned()));
    }
    for key in ["server.address", "http.response.status_code", "error.type"] {
        if let Some(value) = span.attributes.get(key) {
            dimensions.insert(key.to_owned(), value.clone());
        }
    }
    format!("{dimensions:?}")
}

/// The last whole line is enough: span metrics are cumulative.
fn last_metrics(collector: &Collector) -> Metrics {
    let file = collector.read("metrics.jsonl");
    let whole = file.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let exports = disk::exports(whole).into_iter().map(|export| export.metrics);
    let of_spans = |metrics: &Metrics| metrics.keys().any(|(_, name)| name == "traces.span.metrics.calls");
    exports.rev().find(of_spans).unwrap_or_default()
}

/// The count of each series, without the Collector's own id.
fn counts(metrics: &Metrics, name: &str) -> BTreeMap<String, u64> {
    let points = metrics
        .iter()
        .filter(|((_, metric), _)| metric == name)
        .flat_map(|(_, metric)| metric.points.values());
    let count = points.map(|(attributes, point)| {
        let mut attributes = attributes.clone();
        attributes.remove("collector.instance.id");
        let count = match point {
            Point::Number(Value::Int(calls)) => *calls as u64,
            Point::Histogram { count, .. } => *count,
            other => panic!("{name}: {other:?}"),
        };
        (format!("{attributes:?}"), count)
    });
    count.collect()
}
