//! What the services export to the receiver that the environment names.

mod process;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use outbound_tests::otlp::{Metric, Receiver, Span, SpanKind, Value as Number};
use tokio::time::Instant;

use crate::process::{gateway, stderr};

/// Runs the gateway with a receiver of its own, and returns what that received.
async fn run(args: &[&str], variables: &[(&str, &str)]) -> Receiver {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.http_endpoint();
    let variables = [&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)], variables].concat();
    let output = gateway(args, &variables);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    receiver
}

/// The number of spans by service and kind.
fn counts(spans: &[Span]) -> BTreeMap<(String, SpanKind), usize> {
    let mut counts = BTreeMap::new();
    for span in spans {
        *counts.entry((span.resource_service.clone(), span.kind())).or_default() += 1;
    }
    counts
}

fn services(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| span.resource_service.as_str()).collect()
}

/// The spans whose parent was not received.
fn orphans(spans: &[Span]) -> Vec<&Span> {
    let received: HashMap<_, _> = spans.iter().map(|span| (span.span_id(), span.trace_id())).collect();
    let root = |span: &&Span| span.parent_span_id().is_empty();
    let whole = |span: &&Span| received.get(&span.parent_span_id()) == Some(&span.trace_id());
    spans.iter().filter(|span| !root(span) && !whole(span)).collect()
}

#[tokio::test]
async fn run_exports_each_service_with_valid_parents() {
    let receiver = run(&["--seconds", "1"], &[]).await;
    let spans = receiver.spans();
    assert_eq!(services(&spans), BTreeSet::from(["caller", "gateway", "twin"]));
    assert_eq!(orphans(&spans), Vec::<&Span>::new());

    let counts = counts(&spans);
    let count = |service: &str, kind| counts.get(&(service.to_owned(), kind)).copied().unwrap_or_default();
    let sent = count("caller", SpanKind::Client);
    assert!(sent > 37, "{counts:?}");
    assert_eq!((count("gateway", SpanKind::Server), count("caller", SpanKind::Server)), (sent, 0));
    // The twin calls two upstreams for each of its requests.
    assert_eq!(count("twin", SpanKind::Client), 2 * count("twin", SpanKind::Server), "{counts:?}");
    let by_id: HashMap<_, _> = spans.iter().map(|span| (span.span_id(), span)).collect();
    for server in spans.iter().filter(|span| span.kind() == SpanKind::Server) {
        let parent = by_id[&server.parent_span_id()];
        let expected = if server.resource_service == "twin" { "gateway" } else { "caller" };
        assert_eq!((&*parent.resource_service, parent.kind()), (expected, SpanKind::Client), "{server:?}");
    }

    let statuses = spans.iter().filter(|span| span.resource_service != "twin");
    let statuses = statuses.flat_map(|span| &span.span.attributes);
    let statuses: Vec<_> =
        statuses.filter(|attribute| attribute.key == "http.response.status_code").collect();
    assert!(statuses.len() >= 3 * sent, "{} of {sent}", statuses.len());
    for status in statuses {
        let value = status.value.as_ref().and_then(|value| value.value.as_ref());
        assert!(matches!(value, Some(Value::IntValue(200..=599))), "{status:?}");
    }

    let measured = receiver.metrics();
    let measured = measured.iter().filter(|metric| metric.name() == "outbound.requests");
    let measured: BTreeSet<_> = measured.map(|metric| &*metric.resource_service).collect();
    assert_eq!(measured, BTreeSet::from(["gateway", "twin"]));
}

#[tokio::test]
async fn service_name_from_environment_renames_gateway_alone() {
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test");
    for (variables, name) in [
        ([attributes, ("OTEL_SERVICE_NAME", "")], "other"),
        ([attributes, ("OTEL_SERVICE_NAME", "edge")], "edge"),
    ] {
        let receiver = run(&["--seconds", "1"], &variables).await;
        assert_eq!(services(&receiver.spans()), BTreeSet::from(["caller", "twin", name]));
    }
}

/// The caller decides for the whole trace.
#[tokio::test]
async fn sampled_traces_are_exported_whole() {
    let sampler = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.3")];
    let receiver = run(&["--seconds", "1"], &sampler).await;
    let spans = receiver.spans();
    assert_eq!(services(&spans), BTreeSet::from(["caller", "gateway", "twin"]));
    assert_eq!(orphans(&spans), Vec::<&Span>::new());
}

#[tokio::test]
async fn faults_export_attempts_to_own_backend() {
    let receiver = run(&["--faults", "--json"], &[]).await;
    let spans = receiver.spans();
    assert_eq!(orphans(&spans), Vec::<&Span>::new());
    let kinds: BTreeSet<_> = spans.iter().filter_map(|span| span.attr("error.type")).collect();
    for kind in ["connection_refused", "response_ended", "response_timeout"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    assert!(receiver.metric_names().contains("outbound.requests"));
}

#[tokio::test]
async fn soak_exports_each_service_to_own_backend() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.http_endpoint();
    let args = ["--soak", "--json", "--seconds", "2", "--restart-every", "300"];
    let output = gateway(&args, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}{}", String::from_utf8_lossy(&output.stdout));
    let line = message.lines().find(|line| line.starts_with(&format!("Telemetry to {endpoint}: spans: ")));
    assert!(line.is_some_and(|line| line.contains(" delivered, 0 lost; metric exports: ")), "{message}");

    let spans = receiver.spans();
    let account: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = counts(&spans);
    let calls = account["calls"].as_u64().map(|calls| calls as usize);
    assert_eq!(calls, counts.get(&("caller".to_owned(), SpanKind::Client)).copied(), "{counts:?}");
    assert_eq!(calls, counts.get(&("gateway".to_owned(), SpanKind::Server)).copied(), "{counts:?}");
    assert!(counts.contains_key(&("twin".to_owned(), SpanKind::Server)), "{counts:?}");
    let attempts =
        spans.iter().filter(|span| span.kind() == SpanKind::Client && span.resource_service != "caller");
    let requests = receiver.metrics();
    let requests =
        requests.iter().filter(|metric| metric.name() == "outbound.requests").flat_map(Metric::points);
    let requests = requests.map(|point| if let Number::Sum(sum) = point.value { sum as usize } else { 0 });
    assert_eq!(attempts.count(), requests.sum::<usize>());
}

/// A receiver that accepts connections and never responds.
#[test]
fn soak_with_hanging_backend_still_adds_up_in_time() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let args = ["--soak", "--json", "--seconds", "2", "--restart-every", "300"];
    let start = Instant::now();
    let output = gateway(&args, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)]);
    let (took, message) = (start.elapsed(), stderr(&output));
    assert_eq!(output.status.code(), Some(0), "{message}{}", String::from_utf8_lossy(&output.stdout));
    // Two seconds of load, and at most five for the shutdown of the backend's pipelines.
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert!(message.contains(&format!("Telemetry to {endpoint}: spans: 0 delivered, ")), "{message}");
}
