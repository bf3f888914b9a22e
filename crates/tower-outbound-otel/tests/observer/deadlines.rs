//! Spans and metrics of calls that their deadline has cut.

use std::time::Duration;

use http::StatusCode;
use opentelemetry_sdk::trace::SpanData;
use outbound_tests::server::{Script, ScriptedServer};
use tower::{Layer, ServiceExt, service_fn};
use tower_outbound::{BoxError, Deadline, Outbound, RequestExt};

use crate::support::*;

fn ours(phase: &str) -> Attributes {
    expected([("outbound.phase", phase), ("server.address", "a.example"), ("url.scheme", "http")])
}

/// `error.type` and `outbound.phase` of a span, and whether it is marked as cancelled.
fn end_of(span: &SpanData) -> (String, String, bool) {
    let all = attributes(span);
    (all["error.type"].clone(), all["outbound.phase"].clone(), all.contains_key("outbound.cancelled_in"))
}

#[tokio::test(start_paused = true)]
async fn deadline_elapsed_counted_by_phase_and_on_span() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";
    for (script, phase) in [
        (Script::new().read_request().hang(), "wait"),
        (Script::new().read_request().write(half).hang(), "body"),
    ] {
        let rig = Rig::new();
        let outbound = rig.outbound();
        let (_server, peer) = ScriptedServer::duplex(script);
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
        let client = outbound.attempt_layer().layer(client.build(outbound.connector(peer)));
        let deadline = Deadline::after(Duration::from_millis(300));
        let request = get("http://a.example/").deadline(deadline);
        attempt(&client, request).await;
        assert_eq!(end_of(&rig.span("GET")), ("deadline_exceeded".to_owned(), phase.to_owned(), false));
        assert_eq!(rig.values("outbound.deadline.elapsed"), [(ours(phase), 1.0)]);
        assert_eq!(rig.series("outbound.requests")[0].attributes["outbound.outcome"], "error");
    }
}

/// The caller's own timer drops the request at the deadline; its wait before a retry counts, too.
#[tokio::test(start_paused = true)]
async fn deadline_elapsed_counted_if_dropped_at_deadline() {
    for (phase, status) in [("acquire", 0), ("backoff", 503)] {
        let rig = Rig::new();
        let outbound = Outbound::builder().observer(rig.observer().build());
        let outbound = outbound.retry(|retry| {
            let second = Duration::from_secs(1);
            retry.status([StatusCode::SERVICE_UNAVAILABLE]).backoff(second, second).seed(1)
        });
        let outbound = outbound.build();
        let answer = move |_| async move {
            match status {
                0 => std::future::pending().await,
                status => Ok::<_, BoxError>(crate::support::status(status)),
            }
        };
        let deadline = Deadline::after(Duration::from_secs(2));
        let request = get("http://a.example/").deadline(deadline);
        let mut sent = Box::pin(outbound.layer().layer(service_fn(answer)).oneshot(request));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut sent).await.is_err());
        tokio::time::advance(Duration::from_secs(2)).await;
        drop(sent);
        assert_eq!(rig.values("outbound.deadline.elapsed"), [(ours(phase), 1.0)]);
        let calls = rig.series("outbound.call.attempts");
        assert_eq!(calls[0].attributes["outbound.outcome"], "error");
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_that_had_passed_counted_in_acquire() {
    let rig = Rig::new();
    let request = get("http://a.example/").deadline(Deadline::after(Duration::ZERO));
    assert_eq!(attempt(&answering(&rig.outbound(), 200), request).await, None);
    let span = rig.span("GET");
    assert_eq!(end_of(&span), ("deadline_exceeded".to_owned(), "acquire".to_owned(), false));
    assert_eq!(attributes(&span)["outbound.send_state"], "not_sent");
    assert_eq!(rig.values("outbound.deadline.elapsed"), [(ours("acquire"), 1.0)]);
}
