//! Parents of attempt spans.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::{
    FutureExt, Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample};
use tower::{Layer, Service as _, ServiceExt};
use tower_outbound::retry::RetryOptions;
use tower_outbound::{Outbound, RequestExt as _, UrlTemplate};
use tower_outbound_otel::OtelObserver;
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;

use crate::support::*;

#[tokio::test]
async fn parent_is_context_of_call_not_of_first_poll() {
    let rig = Rig::new();
    let tracer = rig.traces.tracer("app");
    let service = answering(&rig.outbound(), 200);
    let pending = {
        let context = Context::current_with_span(tracer.start("caller"));
        let _attached = context.attach();
        service.oneshot(get("http://a.example/"))
    };
    // `Oneshot` calls the service at its first poll, when no span is current.
    drop(pending.await);
    assert!(is_root(&rig.span("GET")));

    let mut service = answering(&rig.outbound(), 200);
    let pending = {
        let context = Context::current_with_span(tracer.start("caller"));
        let _attached = context.attach();
        service.call(get("http://b.example/"))
    };
    drop(pending.await);
    let callers: Vec<_> = rig.spans().into_iter().filter(|span| span.name == "caller").collect();
    let last = rig.spans().into_iter().rfind(|span| span.name == "GET").unwrap();
    assert!(callers.iter().any(|caller| is_child(&last, caller)));
}

#[tokio::test]
async fn parent_is_context_of_call_below_retry_layer() {
    for options in [RetryOptions::new(), RetryOptions::off()] {
        let rig = Rig::new();
        let client = tower::service_fn(async |_| Ok::<_, std::io::Error>(status(200)));
        let mut service = rig.outbound().layer().layer(client);
        let pending = {
            let context = Context::current_with_span(rig.traces.tracer("app").start("caller"));
            let _attached = context.attach();
            service.call(get("http://a.example/").retry(options))
        };
        // The attempt starts here, where no span is current.
        drop(pending.await);
        assert!(is_child(&rig.span("GET"), &rig.span("caller")));
    }
}

#[tokio::test]
async fn parent_is_tracing_span_behind_reload_layer() {
    let rig = Rig::new();
    let bridge = tracing_opentelemetry::layer().with_tracer(rig.traces.tracer("app"));
    let (bridge, _handle) = reload::Layer::new(bridge);
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(bridge));

    let service = answering(&rig.outbound(), 200);
    async { attempt(&service, get("http://a.example/")).await }
        .instrument(tracing::info_span!("handler"))
        .await;
    assert!(is_child(&rig.span("GET"), &rig.span("handler")));
}

#[tokio::test]
async fn global_providers_set_after_layers_are_used() {
    let rig = Rig::new();
    let outbound = Outbound::builder().observer(OtelObserver::new()).build();
    let service =
        outbound.attempt_layer().layer(tower::service_fn(async |_| Ok::<_, std::io::Error>(status(200))));
    global::set_tracer_provider(rig.traces.clone());
    global::set_meter_provider(rig.meters.clone());
    attempt(&service, get("http://a.example/")).await;
    assert_eq!(rig.names(), ["GET", "outbound.body"]);
    assert_eq!(rig.values("outbound.requests").len(), 1);
}

#[tokio::test]
async fn sampled_span_below_unsampled_parent_has_all_attributes() {
    let rig = Rig::new();
    let sampled = answering(&rig.outbound(), 200);
    attempt(&sampled, get("http://a.example/")).await;
    let under_sampled = attributes(&rig.span("GET"));

    let rig = Rig::new();
    let always = SdkTracerProvider::builder()
        .with_simple_exporter(rig.exporter())
        .with_sampler(Sampler::AlwaysOn)
        .build();
    let observer = rig.observer().tracer_provider(&always).build();
    let service = answering(&Outbound::builder().observer(observer).build(), 200);
    let (trace, span) = (TraceId::from(1), SpanId::from(2));
    let parent = SpanContext::new(trace, span, TraceFlags::default(), true, TraceState::default());
    let context = Context::new().with_remote_span_context(parent);
    attempt(&service, get("http://a.example/")).with_context(context).await;
    assert_eq!(rig.span("GET").parent_span_id, span);
    assert_eq!(attributes(&rig.span("GET")), under_sampled);
}

/// Samples everything and records the attributes of CLIENT spans.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<Mutex<Vec<Attributes>>>);

impl ShouldSample for Shown {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        if *kind == SpanKind::Client {
            let pairs = attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string()));
            self.0.lock().unwrap().push(pairs.collect());
        }
        let (attributes, trace_state) = (Vec::new(), TraceState::default());
        SamplingResult { decision: SamplingDecision::RecordAndSample, attributes, trace_state }
    }
}

#[tokio::test]
async fn sampler_receives_attributes_known_at_start() {
    let (rig, shown) = (Rig::new(), Shown::default());
    let sampling =
        SdkTracerProvider::builder().with_simple_exporter(rig.exporter()).with_sampler(shown.clone()).build();
    let observer = rig.observer().tracer_provider(&sampling).build();
    let service = answering(&Outbound::builder().observer(observer).build(), 200);
    let mut request = get("http://a.example/users/7?sig=marker");
    request.extensions_mut().insert(UrlTemplate::from_static("/users/{id}"));
    attempt(&service, request).await;
    assert_eq!(
        *shown.0.lock().unwrap(),
        [expected([
            ("http.request.method", "GET"),
            ("server.address", "a.example"),
            ("server.port", "80"),
            ("url.full", "http://a.example/users/7?sig=REDACTED"),
            ("url.template", "/users/{id}"),
        ])]
    );
}
