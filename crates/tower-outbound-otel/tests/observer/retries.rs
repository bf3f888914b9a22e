//! Spans and metrics of retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::StatusCode;
use opentelemetry::Context;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SpanData;
use tower::{Layer, Service};
use tower_outbound::{BoxError, Outbound};

use crate::support::*;

/// Responds with 503 this many times, then with 200.
fn busy(
    outbound: &Outbound,
    times: u32,
) -> impl Service<
    http::Request<Body>,
    Response = http::Response<
        tower_outbound::observe::ObserveBody<tower_outbound::limit::InFlightLimitBody<Answer>>,
    >,
    Error = tower_outbound::Error,
> + Clone
+ use<> {
    let left = Arc::new(AtomicU32::new(times));
    let answer = move |_| {
        let busy = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        std::future::ready(Ok::<_, BoxError>(status(if busy.is_ok() { 503 } else { 200 })))
    };
    outbound
        .retry_layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_secs(2), Duration::from_secs(2))
        .seed(1)
        .layer(outbound.attempt_layer().layer(tower::service_fn(answer)))
}

fn attempts(rig: &Rig) -> Vec<SpanData> {
    rig.spans().into_iter().filter(|span| span.span_kind == SpanKind::Client).collect()
}

#[tokio::test(start_paused = true)]
async fn retry_attempt_spans_have_ordinal_reason_and_backoff() {
    let rig = Rig::new();
    let service = busy(&rig.outbound(), 1);
    assert_eq!(attempt(&service, get("http://a.example/")).await, Some(200));
    let spans = attempts(&rig);
    assert_eq!(spans.len(), 2);
    let (first, second) = (attributes(&spans[0]), attributes(&spans[1]));
    assert_eq!(first["http.response.status_code"], "503");
    for key in ["http.request.resend_count", "outbound.retry.reason", "outbound.retry.backoff"] {
        assert!(!first.contains_key(key), "{key}");
    }
    assert_eq!(second["http.request.resend_count"], "1");
    assert_eq!(second["outbound.retry.reason"], "status");
    let waited = second["outbound.retry.backoff"].parse::<f64>().unwrap();
    assert!(waited > 0.0 && waited <= 2.0, "{waited}");
    // The caller has no span: the retry shares the first attempt's trace.
    assert!(is_root(&spans[0]) && is_child(&spans[1], &spans[0]));
}

#[tokio::test(start_paused = true)]
async fn retry_attempt_spans_all_have_caller_span_as_parent() {
    let rig = Rig::new();
    let tracer = rig.traces.tracer("app");
    let mut service = busy(&rig.outbound(), 2);
    let pending = {
        let _attached = Context::current_with_span(tracer.start("caller")).attach();
        service.call(get("http://a.example/"))
    };
    assert_eq!(pending.await.unwrap().status(), 200);
    let caller = rig.span("caller");
    let spans = attempts(&rig);
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| is_child(span, &caller)));
}

#[tokio::test(start_paused = true)]
async fn retry_metrics_count_retries_and_given_up_reasons() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    attempt(&busy(&outbound, 1), get("http://a.example/")).await;
    attempt(&busy(&outbound, 9), get("http://a.example/")).await;
    let ours = |further: &[(&str, &str)]| {
        let mut all = expected([("server.address", "a.example"), ("url.scheme", "http")]);
        all.extend(further.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        all
    };
    let status = ("outbound.retry.reason", "status");
    let mut retries = rig.values("outbound.retries");
    retries.retain(|(_, value)| *value > 0.0);
    assert_eq!(retries, [(ours(&[status]), 3.0)]);
    let attempts = ("outbound.retry.limit", "attempts");
    assert_eq!(rig.values("outbound.retry.given_up"), [(ours(&[status, attempts]), 1.0)]);
    assert_eq!(rig.values("outbound.releases"), [(ours(&[("outbound.release", "drained")]), 3.0)]);
    assert_eq!(rig.values("outbound.retry.delay"), [(ours(&[]), 2.0)]);
    let calls = rig.series("outbound.call.attempts");
    let find = |outcome: &str| {
        let named = |series: &&Series| series.attributes["outbound.outcome"] == outcome;
        let series = calls.iter().find(named).unwrap();
        (series.value, series.sum)
    };
    assert_eq!((find("ok"), find("error")), ((1.0, 2.0), (1.0, 3.0)));
}

#[tokio::test]
async fn call_without_retry_layer_counts_single_attempt() {
    let rig = Rig::new();
    attempt(&answering(&rig.outbound(), 200), get("http://a.example/")).await;
    let calls = rig.series("outbound.call.attempts");
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].value, calls[0].sum), (1.0, 1.0));
}
