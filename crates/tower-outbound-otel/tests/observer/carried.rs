//! Requests that carry a trace context already, as those of a proxy that forwards headers.

use http::header::HeaderName;
use http::{HeaderMap, StatusCode};
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceContextExt as _, Tracer as _, TracerProvider as _};
use tower::{Layer, Service as _, ServiceExt as _};
use tower_outbound::Outbound;
use tower_outbound_otel::{NoPropagation, Propagate};

use crate::propagation::{recording_service, stack, traceparent, unwrap};
use crate::support::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const CARRIED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn carrying(headers: &[(&'static str, &str)]) -> http::Request<Body> {
    let mut request = get("http://a.example/");
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::from_static(name), value.parse().unwrap());
    }
    request
}

/// Sends the request without a current span. Returns the headers that left.
async fn left(rig: &Rig, propagate: Propagate, request: http::Request<Body>) -> HeaderMap {
    let (service, headers) = recording_service();
    let service = tower::ServiceBuilder::new().map_request(unwrap).service(service);
    drop(stack(rig, propagate, service).oneshot(request).await);
    let headers = headers.lock().unwrap();
    headers.clone()
}

#[tokio::test]
async fn carried_span_is_parent_and_its_tracestate_stays() {
    let rig = Rig::new();
    let request = carrying(&[("traceparent", CARRIED), ("tracestate", "a=1, b=2"), ("tracestate", "c=3")]);
    let headers = left(&rig, Propagate::everywhere(), request).await;
    let span = rig.span("GET");
    assert_eq!(
        (span.span_context.trace_id().to_string(), span.parent_span_id.to_string()),
        (TRACE.into(), SPAN.into())
    );
    assert!(span.parent_span_is_remote);
    assert_eq!(headers["traceparent"], traceparent(&span.span_context));
    let states: Vec<_> = headers.get_all("tracestate").iter().collect();
    assert_eq!(states, ["a=1,b=2,c=3"]);
}

#[tokio::test]
async fn carried_baggage_goes_to_listed_hosts_only() {
    for (propagate, baggage) in [
        (Propagate::everywhere(), None),
        (Propagate::everywhere().baggage_to(["b.example"]), None),
        (Propagate::everywhere().baggage_to(["a.example"]), Some("user=marker")),
        // Not ours to write.
        (Propagate::off(), Some("user=marker")),
    ] {
        let rig = Rig::new();
        let request = carrying(&[("traceparent", CARRIED), ("baggage", "user=marker")]);
        let what = format!("{propagate:?}");
        let headers = left(&rig, propagate, request).await;
        assert_eq!(headers.get("baggage").map(|value| value.to_str().unwrap()), baggage, "{what}");
    }
    let rig = Rig::new();
    let headers = left(&rig, Propagate::everywhere(), carrying(&[("baggage", "user=marker")])).await;
    assert_eq!(headers["baggage"], "user=marker", "without a span it is the application's own header");
}

#[tokio::test]
async fn carried_context_that_is_unsampled_stays_unsampled() {
    let rig = Rig::new();
    let request = carrying(&[("traceparent", &CARRIED.replace("-01", "-00"))]);
    let headers = left(&rig, Propagate::everywhere(), request).await;
    assert!(rig.spans().is_empty());
    let sent = headers["traceparent"].to_str().unwrap();
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"), "{sent}");
    assert!(!sent.contains(SPAN), "the attempt is the parent of what follows: {sent}");
}

#[tokio::test]
async fn carried_context_that_is_invalid_is_replaced() {
    for invalid in ["", "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
        let rig = Rig::new();
        let request = carrying(&[("traceparent", invalid), ("tracestate", "a=1")]);
        let headers = left(&rig, Propagate::everywhere(), request).await;
        let span = rig.span("GET");
        assert!(is_root(&span), "{invalid}");
        assert_eq!(headers["traceparent"], traceparent(&span.span_context), "{invalid}");
        assert_eq!(headers.get("tracestate"), None, "{invalid}");
    }
}

#[tokio::test]
async fn carried_headers_stay_where_propagation_is_off() {
    let rig = Rig::new();
    let mut request = carrying(&[("traceparent", CARRIED), ("tracestate", "a=1")]);
    request.extensions_mut().insert(NoPropagation);
    let headers = left(&rig, Propagate::everywhere(), request).await;
    assert_eq!(headers["traceparent"], CARRIED);
    assert_eq!(headers["tracestate"], "a=1");
    assert_eq!(rig.span("GET").parent_span_id.to_string(), SPAN);
}

#[tokio::test]
async fn current_span_wins_over_carried_one() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let service = tower::ServiceBuilder::new().map_request(unwrap).service(service);
    let mut service = stack(&rig, Propagate::everywhere(), service);
    let pending = {
        let context = Context::current_with_span(rig.traces.tracer("app").start("handler"));
        let _attached = context.attach();
        service.call(carrying(&[("traceparent", CARRIED), ("tracestate", "a=1")]))
    };
    drop(pending.await);
    assert!(is_child(&rig.span("GET"), &rig.span("handler")));
    let headers = headers.lock().unwrap();
    assert_eq!(headers["traceparent"], traceparent(&rig.span("GET").span_context));
    assert_eq!(headers.get("tracestate"), None);
}

#[tokio::test]
async fn retries_are_children_of_carried_span() {
    let rig = Rig::new();
    let outbound = Outbound::builder().observer(rig.observer().build()).retry(|retry| {
        let none = std::time::Duration::from_millis(1);
        retry.status([StatusCode::SERVICE_UNAVAILABLE]).max_retries(2).backoff(none, none)
    });
    let busy = tower::service_fn(async |_| Ok::<_, std::io::Error>(status(503)));
    let service = outbound.build().layer().layer(busy);
    assert_eq!(attempt(&service, carrying(&[("traceparent", CARRIED)])).await, Some(503));
    let attempts: Vec<_> = rig.spans().into_iter().filter(|span| span.name == "GET").collect();
    let parents: Vec<SpanId> = attempts.iter().map(|span| span.parent_span_id).collect();
    assert_eq!(parents, [SpanId::from_hex(SPAN).unwrap(); 3]);
    assert!(attempts.iter().all(|span| span.span_context.trace_id().to_string() == TRACE));
}
