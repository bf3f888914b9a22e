//! Allocations per attempt.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, global};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanProcessor};
use tower::{Layer, Service};
use tower_outbound::Outbound;
use tower_outbound_otel::{Metrics, OtelObserver, OtelObserverBuilder, Phases, Propagate};

/// Drops spans: exporters are not measured.
#[derive(Debug)]
struct Void;

impl SpanProcessor for Void {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &opentelemetry::Context) {}
    fn on_end(&self, _: SpanData) {}
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Allocations of one attempt, after a warm-up.
fn per_attempt(outbound: &Outbound) -> u64 {
    allocated(outbound, "application/json")
}

fn allocated(outbound: &Outbound, content: &'static str) -> u64 {
    let answer = tower::service_fn(|_| {
        let mut response = Response::new(Empty::<Bytes>::new());
        response.headers_mut().insert("grpc-status", http::HeaderValue::from_static("14"));
        std::future::ready(Ok::<_, std::io::Error>(response))
    });
    let mut service = outbound.attempt_layer().layer(answer);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut attempt = || {
        let request = Request::get("http://a.example/a.B/C").header("content-type", content);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let mut count = 0;
        let counted = allocation_counter::measure(|| {
            let response = runtime.block_on(service.call(request)).unwrap();
            drop(runtime.block_on(response.into_body().collect()));
            count += 1;
        });
        assert_eq!(count, 1);
        counted.count_total
    };
    (0..8).map(|_| attempt()).last().unwrap()
}

fn with(builder: OtelObserverBuilder) -> u64 {
    per_attempt(&Outbound::builder().observer(builder.build()).build())
}

fn traces(sampler: Sampler) -> SdkTracerProvider {
    SdkTracerProvider::builder().with_span_processor(Void).with_sampler(sampler).build()
}

#[test]
fn allocations_per_attempt_stay_at_documented_counts() {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let meters =
        SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default()).build();
    let none = per_attempt(&Outbound::new());
    let observer = || OtelObserver::builder().meter_provider(&meters);
    let off = OtelObserver::builder().metrics(Metrics::Off).propagate(Propagate::off());

    let unsampled_parent = || {
        let flags = (TraceFlags::default(), false, TraceState::default());
        let span = SpanContext::new(TraceId::from(1), SpanId::from(1), flags.0, flags.1, flags.2);
        Context::new().with_remote_span_context(span).attach()
    };

    let nothing = with(off) - none;
    let metrics = with(observer().propagate(Propagate::off())) - none;
    let off = || observer().propagate(Propagate::off());
    let unsampled = with(off().tracer_provider(&traces(Sampler::AlwaysOff))) - none;
    let unsampled_child = {
        let _parent = unsampled_parent();
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        with(off().tracer_provider(&traces(sampler))) - none
    };
    let one_span = with(off().tracer_provider(&traces(Sampler::AlwaysOn)).phases(Phases::Off)) - none;
    let phases = with(off().tracer_provider(&traces(Sampler::AlwaysOn))) - none;
    let headers = with(observer().tracer_provider(&traces(Sampler::AlwaysOn))) - none;

    assert_eq!(metrics, nothing, "a record allocates nothing");
    // The observer state, the span's box and the context; the URL and the attributes unless the parent is unsampled.
    assert_eq!((unsampled_child, unsampled, one_span), (3, 5, 5));
    let grpc = |builder: OtelObserverBuilder| {
        allocated(&Outbound::builder().observer(builder.build()).build(), "application/grpc")
    };
    let unmeasured = OtelObserver::builder().metrics(Metrics::Off).propagate(Propagate::off());
    assert_eq!(grpc(off()), grpc(unmeasured), "nor does one of gRPC");
    // One phase, without attributes.
    assert_eq!(phases - one_span, 1);
    // The SDK's propagator formats strings.
    assert!(headers - phases <= 6, "{headers} with headers, {phases} without");
}
