//! Headers of the propagators in `OTEL_PROPAGATORS`.
//!
//! One test: the propagator is global.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, Request, Response};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};
use tower::{Layer, ServiceExt, service_fn};
use tower_outbound::Outbound;
use tower_outbound_otel::{OtelObserver, PropagateLayer};
use tower_outbound_telemetry::Telemetry;

/// Sets the global propagator; exports nothing.
fn propagators(list: &'static str) -> Telemetry {
    let lookup = move |key: &str| match key {
        "OTEL_PROPAGATORS" => Some(list.to_owned()),
        "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER" => Some("none".to_owned()),
        _ => None,
    };
    let telemetry = Telemetry::builder("shop").lookup(lookup).build().unwrap();
    assert_eq!(telemetry.warnings(), []);
    telemetry
}

/// The headers of a request below the observer and a `PropagateLayer`.
fn received(observer: OtelObserver) -> BTreeMap<String, String> {
    let kept = Arc::new(Mutex::new(HeaderMap::new()));
    let keeper = Arc::clone(&kept);
    let answer = service_fn(move |request: Request<_>| {
        *keeper.lock().unwrap() = request.headers().clone();
        std::future::ready(Ok::<_, std::io::Error>(Response::new(String::new())))
    });
    let outbound = Outbound::builder().observer(observer).build();
    let request = Request::get("http://a.example/").body(String::new()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(outbound.attempt_layer().layer(PropagateLayer::new().layer(answer)).oneshot(request))
        .unwrap();
    let kept = kept.lock().unwrap();
    kept.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

/// The headers with a sampler, and `{trace}-{span}` of the attempt if recorded.
fn attempt(sampler: Sampler) -> (BTreeMap<String, String>, Option<[String; 2]>) {
    let exporter = InMemorySpanExporter::default();
    let provider =
        SdkTracerProvider::builder().with_sampler(sampler).with_simple_exporter(exporter.clone()).build();
    let headers = received(OtelObserver::builder().tracer_provider(&provider).build());
    let spans = exporter.get_finished_spans().unwrap();
    let span = spans.iter().find(|span| span.name == "GET").map(|span| &span.span_context);
    (headers, span.map(|span| [span.trace_id().to_string(), span.span_id().to_string()]))
}

fn headers<const N: usize>(expected: [(&str, String); N]) -> BTreeMap<String, String> {
    expected.map(|(name, value)| (name.to_owned(), value)).into()
}

#[test]
fn propagators_configured_send_their_headers_to_server() {
    let _b3 = propagators("b3");
    let (got, span) = attempt(Sampler::AlwaysOn);
    let [trace, span] = span.unwrap();
    assert_eq!(got, headers([("b3", format!("{trace}-{span}-1"))]));

    let (got, _) = attempt(Sampler::AlwaysOff);
    assert_eq!(got.len(), 1);
    assert!(got["b3"].len() == 32 + 1 + 16 + 2 && got["b3"].ends_with("-0"), "{got:?}");

    // There is no global provider, and therefore no span.
    assert_eq!(received(OtelObserver::new()), BTreeMap::new());

    let _b3multi = propagators("b3multi");
    let (got, span) = attempt(Sampler::AlwaysOn);
    let [trace, span] = span.unwrap();
    let expected = [("x-b3-traceid", trace), ("x-b3-spanid", span), ("x-b3-sampled", "1".to_owned())];
    assert_eq!(got, headers(expected));
    assert_eq!(received(OtelObserver::new()), BTreeMap::new());

    let _both = propagators("tracecontext,b3,baggage");
    let (got, span) = attempt(Sampler::AlwaysOn);
    let [trace, span] = span.unwrap();
    let expected = [("b3", format!("{trace}-{span}-1")), ("traceparent", format!("00-{trace}-{span}-01"))];
    assert_eq!(got, headers(expected));

    let _none = propagators("none");
    assert_eq!(attempt(Sampler::AlwaysOn).0, BTreeMap::new());
}
