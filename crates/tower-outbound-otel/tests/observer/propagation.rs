//! Propagation headers.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{KeyValue, trace::SpanContext};
use tower::{Layer, Service};
use tower_outbound::Outbound;
use tower_outbound_otel::{NoPropagation, Propagate, PropagateLayer};

use crate::support::*;

/// A service that records request headers.
pub(crate) fn recording_service() -> (
    impl Service<http::Request<Body>, Response = http::Response<Answer>, Error = std::io::Error, Future: Send>
    + Clone,
    Arc<Mutex<HeaderMap>>,
) {
    let headers = Arc::new(Mutex::new(HeaderMap::new()));
    let recorded = Arc::clone(&headers);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        *recorded.lock().unwrap() = request.headers().clone();
        std::future::ready(Ok(status(200)))
    });
    (service, headers)
}

/// Sends a request below an application span with baggage. Returns the headers and the span.
async fn sent<S, R>(rig: &Rig, mut service: S, request: http::Request<Body>) -> SpanContext
where
    S: Service<http::Request<Body>, Response = http::Response<R>>,
{
    let span = rig.traces.tracer("app").start("caller");
    let context = Context::current_with_span(span).with_baggage([KeyValue::new("user", "marker")]);
    let caller = context.span().span_context().clone();
    let pending = {
        let _attached = context.attach();
        service.call(request)
    };
    let _ = pending.await;
    caller
}

pub(crate) fn traceparent(span: &SpanContext) -> String {
    format!("00-{}-{}-01", span.trace_id(), span.span_id())
}

pub(crate) fn stack<S: Clone>(
    rig: &Rig,
    propagate: Propagate,
    service: S,
) -> tower_outbound::observe::Observe<tower_outbound::limit::InFlightLimit<S>> {
    let observer = rig.observer().propagate(propagate).build();
    Outbound::builder().observer(observer).build().attempt_layer().layer(service)
}

#[tokio::test]
async fn propagation_sends_attempt_span_without_baggage_or_tracestate() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let service = stack(
        &rig,
        Propagate::everywhere(),
        tower::ServiceBuilder::new().map_request(unwrap).service(service),
    );
    sent(&rig, service, get("http://a.example/")).await;
    let headers = headers.lock().unwrap();
    assert_eq!(headers["traceparent"], traceparent(&rig.span("GET").span_context));
    assert_eq!(headers.len(), 1, "{headers:?}");
}

#[tokio::test]
async fn propagation_sends_baggage_to_listed_hosts_only() {
    for (propagate, host, has_context, has_baggage) in [
        (Propagate::everywhere().baggage_to(["a.example"]), "a.example", true, true),
        (Propagate::everywhere().baggage_to(["a.example"]), "b.example", true, false),
        (Propagate::only(["http://a.example"]), "a.example", true, true),
        (Propagate::only(["a.example:80"]), "b.example", false, false),
        (Propagate::off(), "a.example", false, false),
    ] {
        let rig = Rig::new();
        let (service, headers) = recording_service();
        let what = format!("{propagate:?} to {host}");
        let service =
            stack(&rig, propagate, tower::ServiceBuilder::new().map_request(unwrap).service(service));
        sent(&rig, service, get(format!("http://{host}/").as_str())).await;
        let headers = headers.lock().unwrap();
        assert_eq!(headers.contains_key("traceparent"), has_context, "{what}");
        assert_eq!(
            headers.get("baggage").map(|value| value.to_str().unwrap()),
            has_baggage.then_some("user=marker"),
            "{what}"
        );
    }
}

#[tokio::test]
async fn propagation_disabled_per_request_sends_no_context() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let service = stack(
        &rig,
        Propagate::everywhere(),
        tower::ServiceBuilder::new().map_request(unwrap).service(service),
    );
    let mut request = get("http://a.example/");
    request.extensions_mut().insert(NoPropagation);
    sent(&rig, service, request).await;
    assert!(headers.lock().unwrap().is_empty());
    assert_eq!(rig.span("GET").name, "GET", "the span is recorded without propagation");
}

#[tokio::test]
async fn propagation_removes_tracestate_of_another_trace() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let service = stack(
        &rig,
        Propagate::everywhere(),
        tower::ServiceBuilder::new().map_request(unwrap).service(service),
    );
    // Like a proxy that forwards headers.
    let mut request = get("http://a.example/");
    let other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.headers_mut().insert("traceparent", other.parse().unwrap());
    request.headers_mut().insert("tracestate", "other=1".parse().unwrap());
    sent(&rig, service, request).await;
    let headers = headers.lock().unwrap();
    assert_eq!(headers["traceparent"], traceparent(&rig.span("GET").span_context));
    assert_eq!(headers.get("tracestate"), None);
}

#[tokio::test]
async fn propagate_layer_skips_opted_out_and_suppressed_requests() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let mut service = PropagateLayer::new().layer(service);
    let mut request = get("http://a.example/");
    request.extensions_mut().insert(NoPropagation);
    sent(&rig, service.clone(), request).await;
    assert!(headers.lock().unwrap().is_empty());
    let pending = {
        let caller = Context::current_with_span(rig.traces.tracer("app").start("caller"));
        let _attached = caller.with_telemetry_suppressed().attach();
        service.call(get("http://a.example/"))
    };
    drop(pending.await);
    assert!(headers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn propagate_layer_alone_sends_caller_span() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let caller = sent(&rig, PropagateLayer::new().layer(service), get("http://a.example/")).await;
    let headers = headers.lock().unwrap();
    assert_eq!(headers["traceparent"], traceparent(&caller));
    assert_eq!(headers.len(), 1, "{headers:?}");
}

#[tokio::test]
async fn propagate_layer_with_observer_sends_attempt_span_once() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let inner = PropagateLayer::new().layer(service);
    let inner = tower::ServiceBuilder::new().map_request(unwrap).service(inner);
    let outer = PropagateLayer::new().layer(stack(&rig, Propagate::everywhere(), inner));
    sent(&rig, outer, get("http://a.example/")).await;
    let headers = headers.lock().unwrap();
    assert_eq!(headers.get_all("traceparent").iter().count(), 1);
    assert_eq!(headers["traceparent"], traceparent(&rig.span("GET").span_context));
}

/// Replaces the observed body by the body that the recording service expects.
pub(crate) fn unwrap(
    request: http::Request<tower_outbound::observe::ObserveRequestBody<Body>>,
) -> http::Request<Body> {
    request.map(|_| Body::new())
}

/// A `TraceLayer` above makes the CLIENT span.
#[tokio::test]
async fn propagation_without_own_spans_sends_span_of_caller() {
    let rig = Rig::new();
    let (service, headers) = recording_service();
    let observer = rig.observer().tracer_provider(&NoopTracerProvider::new()).build();
    let outbound = Outbound::builder().observer(observer).build();
    let service = tower::ServiceBuilder::new().map_request(unwrap).service(service);
    let caller = sent(&rig, outbound.attempt_layer().layer(service), get("http://a.example/")).await;
    assert_eq!(headers.lock().unwrap()["traceparent"], traceparent(&caller));
    assert_eq!(rig.names(), ["caller"]);
    assert!(rig.metrics().contains_key("http.client.request.duration"), "metrics remain");
}
