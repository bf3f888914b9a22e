//! Exports attempts of traces that are not sampled.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Request, Response};
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use outbound_tests::otlp::{Receiver, Span};
use tower::{Layer, ServiceExt, service_fn};
use tower_outbound::Outbound;
use tower_outbound_telemetry::{Keep, OtlpProtocol, Telemetry};

/// Sends three attempts through a pipeline with this sampler: the received spans, and the sent headers.
fn run(keep: Option<Keep>, sampler: &'static str) -> (Vec<Span>, BTreeMap<String, String>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let got = runtime.block_on(Receiver::start()).unwrap();
    let lookup = move |key: &str| (key == "OTEL_TRACES_SAMPLER").then(|| sampler.to_owned());
    let mut builder = Telemetry::builder("shop").lookup(lookup).without_globals();
    if let Some(keep) = keep {
        builder = builder.keep(keep);
    }
    let builder = builder.protocol(OtlpProtocol::HttpProtobuf).endpoint(got.http_endpoint());
    let telemetry = builder.build().unwrap();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let outbound = Outbound::builder().observer(telemetry.observer().build()).build();
    let (seen, headers) = std::sync::mpsc::channel();
    let service = outbound.attempt_layer().layer(service_fn(move |request: Request<_>| {
        let path = request.uri().path().to_owned();
        seen.send((path.clone(), request.headers()["traceparent"].to_str().unwrap().to_owned())).unwrap();
        async move {
            if path == "/slow" {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            let status = if path == "/error" { 503 } else { 200 };
            Response::builder().status(status).body(String::new())
        }
    }));
    runtime.block_on(async {
        for path in ["/fine", "/error", "/slow"] {
            let uri = format!("http://a.example{path}");
            service.clone().oneshot(Request::get(uri).body(String::new()).unwrap()).await.unwrap();
        }
    });
    // The application's own spans are sampled as before.
    telemetry.tracer_provider().unwrap().tracer("app").in_span("app", |_| ());
    let report = telemetry.shutdown_blocking();
    assert!(report.is_complete(), "{report}");
    (got.spans(), headers.try_iter().collect())
}

fn urls(spans: &[Span], kept: &str) -> Vec<String> {
    let of = spans.iter().filter(|span| span.attr("outbound.kept").as_deref() == Some(kept));
    of.filter_map(|span| span.attr("url.full")).collect()
}

fn on_call() -> Keep {
    Keep::new().errors().first_byte_above(Duration::from_secs(1))
}

#[test]
fn keep_exports_failed_and_slow_attempts_of_unsampled_traces() {
    let (spans, headers) = run(Some(on_call()), "always_off");
    assert_eq!(urls(&spans, "error"), ["http://a.example/error"]);
    assert_eq!(urls(&spans, "slow"), ["http://a.example/slow"]);
    let attempts: Vec<_> = spans.iter().filter(|span| span.name() == "GET").collect();
    assert_eq!(attempts.len(), 2, "{spans:?}");
    assert!(spans.iter().any(|span| span.name().starts_with("outbound.")), "no phases: {spans:?}");
    for span in &spans {
        assert!(!span.is_sampled(), "the flag is told as it was: {span:?}");
        assert!(span.attr("outbound.kept").is_some(), "{span:?}");
    }
    for (path, header) in headers {
        assert!(header.ends_with("-00"), "{path} told its server {header}");
    }
}

#[test]
fn keep_without_rule_exports_nothing_of_unsampled_traces() {
    let (spans, _) = run(None, "always_off");
    assert_eq!(spans.len(), 0);
    let (spans, _) = run(Some(Keep::new()), "always_off");
    assert_eq!(spans.len(), 0);
}

#[test]
fn keep_leaves_sampled_traces_exported_and_unmarked() {
    let (spans, headers) = run(Some(on_call()), "always_on");
    assert_eq!(spans.iter().filter(|span| span.name() == "GET").count(), 3);
    assert_eq!(spans.iter().filter(|span| span.name() == "app").count(), 1);
    for span in &spans {
        assert!(span.is_sampled() && span.attr("outbound.kept").is_none(), "{span:?}");
    }
    assert!(headers.values().all(|header| header.ends_with("-01")));
}
