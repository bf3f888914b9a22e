//! The traces of the demonstration in Jaeger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{JAEGER, Jaeger};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::files;
use crate::programs;

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
const SERVICES: [&str; 4] = ["caller", "gateway", "twin", "faults"];

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("traces_have_parents_links_and_no_warning", JAEGER, traces).optional()]
}

async fn traces() {
    let jaeger = Jaeger::start(files::JAEGER).await.unwrap();
    let endpoint = jaeger.otlp_endpoint();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100000"),
    ];
    let report = programs::run("gateway", &["--json", "--seconds", "1"], &variables).await;
    let faults = [variables.as_slice(), &[("OTEL_SERVICE_NAME", "faults")]].concat();
    programs::run("gateway", &["--json", "--faults"], &faults).await;

    let sent = report["spans"].as_u64().unwrap() as usize;
    let traces = all(&jaeger, sent).await;
    let spans: Vec<_> = traces.values().flatten().collect();
    let ids: BTreeSet<_> = spans.iter().map(|span| id(span)).collect();
    let mut references = BTreeMap::new();
    for span in &spans {
        assert!(span["warnings"].as_array().is_none_or(Vec::is_empty), "{span}");
        for reference in span["references"].as_array().unwrap() {
            assert!(ids.contains(&id(reference)), "{reference} of {span} is not there");
            *references.entry(reference["refType"].as_str().unwrap()).or_insert(0) += 1;
        }
    }
    println!("{} spans in {} traces, references: {references:?}", spans.len(), traces.len());
    assert!(references["FOLLOWS_FROM"] > 0);

    // The cold trace has the setup, the warm one a link to it.
    let mut shown: Vec<_> =
        traces.values().filter(|trace| find(trace, "GET /tls/body/60k").is_some()).collect();
    shown.sort_by_key(|trace| trace.iter().map(|span| span["startTime"].as_u64()).min());
    let (cold, warm) = (shown[0], shown[1]);
    let setup = find(cold, "HTTP connection_setup ").unwrap();
    assert_eq!(parent(setup), find(cold, "GET /body/60k").map(id));
    for part in ["DNS lookup ", "socket connect ", "TLS client handshake "] {
        assert_eq!(parent(find(cold, part).unwrap()), Some(id(setup)), "{part}");
    }
    let attempt = find(warm, "GET /body/60k").unwrap();
    assert_eq!((tag(cold, "GET /body/60k"), tag(warm, "GET /body/60k")), (Some("new"), Some("reused")));
    let links = attempt["references"].as_array().unwrap().iter().filter(|it| it["refType"] == "FOLLOWS_FROM");
    assert_eq!(links.map(id).collect::<Vec<_>>(), [id(setup)]);
    for phase in ["outbound.send", "outbound.wait", "outbound.body"] {
        assert_eq!(parent(find(warm, phase).unwrap()), Some(id(attempt)), "{phase}");
    }
    let failed = traces.values().find(|trace| find(trace, "fault connect-refused").is_some()).unwrap();
    let attempts = failed.iter().filter(|span| span["operationName"] == "GET");
    assert_eq!(attempts.filter(|span| parent(span) == find(failed, "fault ").map(id)).count(), 2);

    let map = jaeger.get(&format!("/api/dependencies?endTs={}&lookback=3600000", now())).await.unwrap();
    let map: BTreeSet<_> =
        map.iter().filter_map(|edge| edge["parent"].as_str().zip(edge["child"].as_str())).collect();
    for edge in [("caller", "gateway"), ("gateway", "twin")] {
        assert!(map.contains(&edge), "{map:?}");
    }
}

/// The spans of every trace, when there are more than `count`, the last fault's too, and no more come.
async fn all(jaeger: &Jaeger, count: usize) -> BTreeMap<String, Vec<Value>> {
    let start = Instant::now();
    let mut before = 0;
    loop {
        let mut traces = BTreeMap::new();
        for service in SERVICES {
            let path = format!("/api/traces?service={service}&limit=100000&lookback=1h");
            for trace in jaeger.get(&path).await.unwrap() {
                let spans = trace["spans"].as_array().unwrap().clone();
                traces.insert(trace["traceID"].as_str().unwrap().to_owned(), spans);
            }
        }
        let found = traces.values().map(Vec::len).sum::<usize>();
        if found > count && found == before && traces.values().flatten().any(is_last) {
            return traces;
        }
        before = found;
        assert!(start.elapsed() < PATIENCE, "{found} of more than {count} spans");
        sleep(POLL).await;
    }
}

/// The fault that is exported last.
fn is_last(span: &Value) -> bool {
    span["operationName"] == "fault cancelled-in-queue"
}

fn find<'a>(trace: &'a [Value], begin: &str) -> Option<&'a Value> {
    trace.iter().find(|span| span["operationName"].as_str().is_some_and(|name| name.starts_with(begin)))
}

fn tag<'a>(trace: &'a [Value], name: &str) -> Option<&'a str> {
    let tags = find(trace, name)?["tags"].as_array()?;
    tags.iter().find(|tag| tag["key"] == "outbound.connection.reuse")?["value"].as_str()
}

/// Trace and span.
fn id(value: &Value) -> (String, String) {
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    (text("traceID"), text("spanID"))
}

fn parent(span: &Value) -> Option<(String, String)> {
    span["references"].as_array()?.iter().find(|reference| reference["refType"] == "CHILD_OF").map(id)
}

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}
