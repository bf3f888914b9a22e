//! gRPC: one span and one duration per attempt, with the attributes of both conventions.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use opentelemetry::trace::{SpanKind, Status};
use outbound_tests::server::closed_port;
use tower::{Layer, Service, ServiceExt};
use tower_outbound::{BoxError, Call, Outbound, UrlTemplate};
use tower_outbound_otel::{Metrics, Phases};

use crate::support::*;

type GrpcBody = UnsyncBoxBody<Bytes, Infallible>;

/// A gRPC request.
pub(crate) fn asking(uri: Uri) -> Request<Body> {
    let request =
        Request::post(uri).header("content-type", "application/grpc+proto").header("te", "trailers");
    request.body(Body::new()).unwrap()
}

/// A response body with a message and with trailers of this status. An empty status means no trailers.
pub(crate) fn ending(status: &str) -> Response<GrpcBody> {
    let mut trailers = HeaderMap::new();
    if !status.is_empty() {
        trailers.insert("grpc-status", status.parse().unwrap());
    }
    let body = Answer::from("\0\0\0\0\0").with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
}

/// A trailers-only response.
fn trailers_only(http: u16, status: &str) -> Response<GrpcBody> {
    let mut response = Response::builder().status(http).header("content-type", "application/grpc");
    if !status.is_empty() {
        response = response.header("grpc-status", status);
    }
    response.body(Body::new().boxed_unsync()).unwrap()
}

/// A service that responds with `answer`.
fn answering_with<A: Fn() -> Response<GrpcBody> + Clone>(
    outbound: &Outbound,
    answer: A,
) -> impl Service<
    Request<Body>,
    Response = Response<
        tower_outbound::observe::ObserveBody<tower_outbound::limit::InFlightLimitBody<GrpcBody>>,
    >,
    Error = tower_outbound::Error,
> + Clone
+ use<A> {
    let answer = move |_| std::future::ready(Ok::<_, BoxError>(answer()));
    outbound.attempt_layer().layer(tower::service_fn(answer))
}

fn create() -> Request<Body> {
    asking(Uri::from_static("http://a.example:50051/shop.Orders/Create?a=b"))
}

/// Status code, `error.type` and whether the span status is an error, for a response read to its end.
async fn rpc_outcome(answer: impl Fn() -> Response<GrpcBody> + Clone) -> (String, Option<String>, bool) {
    let rig = Rig::new();
    attempt(&answering_with(&rig.outbound(), answer), create()).await;
    let span = rig.span("shop.Orders/Create");
    let mut attributes = attributes(&span);
    let recorded = (attributes.remove("rpc.response.status_code").unwrap(), attributes.remove("error.type"));
    let [(mut labels, count)] = <[_; 1]>::try_from(rig.values("rpc.client.call.duration")).unwrap();
    assert_eq!(count, 1.0);
    let metric = (labels.remove("rpc.response.status_code").unwrap(), labels.remove("error.type"));
    assert_eq!(recorded, metric, "span and metric differ");
    (recorded.0, recorded.1, span.status == Status::error(""))
}

#[tokio::test]
async fn rpc_is_single_client_span_with_http_and_rpc_attributes() {
    let rig = Rig::new();
    let mut request = create();
    request.extensions_mut().insert(UrlTemplate::from_static("/{service}/{method}"));
    attempt(&answering_with(&rig.outbound(), || ending("0")), request).await;

    let spans = rig.spans();
    assert_eq!(spans.iter().filter(|span| span.span_kind == SpanKind::Client).count(), 1);
    let span = rig.span("shop.Orders/Create");
    assert_eq!(span.status, Status::Unset);
    assert_eq!(
        attributes(&span),
        expected([
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
            ("network.protocol.version", "1.1"),
            ("outbound.connection.reuse", "unknown"),
            ("rpc.method", "shop.Orders/Create"),
            ("rpc.response.status_code", "OK"),
            ("rpc.system.name", "grpc"),
            ("server.address", "a.example"),
            ("server.port", "50051"),
            ("url.full", "http://a.example:50051/shop.Orders/Create?a=b"),
            ("url.template", "/{service}/{method}"),
        ])
    );
    let took = span.end_time.duration_since(span.start_time).unwrap().as_secs_f64();
    let series = rig.series("rpc.client.call.duration");
    assert_eq!((series.len(), series[0].value, series[0].sum), (1, 1.0, took));
    assert_eq!(rig.series("http.client.request.duration")[0].sum, took);
    assert_eq!(
        series[0].attributes,
        expected([
            ("rpc.method", "shop.Orders/Create"),
            ("rpc.response.status_code", "OK"),
            ("rpc.system.name", "grpc"),
            ("server.address", "a.example"),
            ("server.port", "50051"),
        ])
    );
}

#[tokio::test]
async fn rpc_status_not_ok_is_error_despite_http_200() {
    for answer in [|| ending("14"), || trailers_only(200, "14")] {
        let rig = Rig::new();
        attempt(&answering_with(&rig.outbound(), answer), create()).await;
        let span = rig.span("shop.Orders/Create");
        assert_eq!(span.status, Status::error(""));
        let attributes = attributes(&span);
        assert_eq!(attributes["rpc.response.status_code"], "UNAVAILABLE");
        assert_eq!(attributes["error.type"], "UNAVAILABLE");
        assert_eq!(attributes["http.response.status_code"], "200");
        for metric in ["outbound.requests", "outbound.call.attempts"] {
            assert_eq!(rig.values(metric)[0].0["outbound.outcome"], "error", "{metric}");
        }
        let (http, _) = rig.values("http.client.request.duration").remove(0);
        assert_eq!(http.get("error.type"), None, "status 200 is no HTTP error");
    }
}

#[tokio::test]
async fn rpc_status_from_grpc_status_or_mapped_from_http_status() {
    let error = |code: &str, kind: &str| (code.to_owned(), Some(kind.to_owned()), true);
    assert_eq!(rpc_outcome(|| trailers_only(200, "0")).await, ("OK".into(), None, false));
    assert_eq!(rpc_outcome(|| ending("1")).await, error("CANCELLED", "CANCELLED"));
    assert_eq!(rpc_outcome(|| ending("16")).await, error("UNAUTHENTICATED", "UNAUTHENTICATED"));
    assert_eq!(rpc_outcome(|| ending("")).await, error("UNKNOWN", "UNKNOWN"));
    assert_eq!(rpc_outcome(|| ending("17")).await, error("UNKNOWN", "UNKNOWN"));
    assert_eq!(rpc_outcome(|| ending("ok")).await, error("UNKNOWN", "UNKNOWN"));
    assert_eq!(rpc_outcome(|| trailers_only(503, "")).await, error("UNAVAILABLE", "503"));
    assert_eq!(rpc_outcome(|| trailers_only(404, "")).await, error("UNIMPLEMENTED", "404"));
    assert_eq!(
        rpc_outcome(|| trailers_only(503, "8")).await,
        error("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED")
    );
}

#[tokio::test]
async fn rpc_connect_failure_keeps_kind_and_has_status_code() {
    let rig = Rig::new();
    let uri = format!("http://{}/shop.Orders/Create", closed_port().unwrap());
    assert_eq!(attempt(&client(&rig.outbound()), asking(uri.parse().unwrap())).await, None);
    let span = attributes(&rig.span("shop.Orders/Create"));
    assert_eq!(span["error.type"], "connection_refused");
    assert_eq!(span["rpc.response.status_code"], "UNAVAILABLE");
    let (labels, count) = rig.values("rpc.client.call.duration").remove(0);
    assert_eq!((labels["error.type"].as_str(), count), ("connection_refused", 1.0));
}

#[tokio::test]
async fn rpc_cancelled_by_caller_is_cancelled_without_error() {
    let rig = Rig::new();
    let response = answering_with(&rig.outbound(), || ending("0")).oneshot(create()).await.unwrap();
    drop(response);
    let span = rig.span("shop.Orders/Create");
    assert_eq!(span.status, Status::Unset);
    let span = attributes(&span);
    assert_eq!((span["rpc.response.status_code"].as_str(), span.get("error.type")), ("CANCELLED", None));
    assert_eq!(span["outbound.cancelled_in"], "body");
}

#[tokio::test]
async fn rpc_body_dropped_after_trailers_is_ok() {
    let rig = Rig::new();
    let response = answering_with(&rig.outbound(), || ending("0")).oneshot(create()).await.unwrap();
    let mut body = response.into_body();
    while !body.frame().await.unwrap().unwrap().is_trailers() {}
    drop(body);
    assert_eq!(attributes(&rig.span("shop.Orders/Create"))["rpc.response.status_code"], "OK");
    assert_eq!(rig.values("outbound.requests")[0].0["outbound.outcome"], "ok");
}

#[tokio::test]
async fn rpc_span_ends_at_trailers_despite_end_at_head() {
    let rig = Rig::new();
    let outbound = Outbound::builder().observer(rig.observer().end_at_head().build()).build();
    attempt(&answering_with(&outbound, || ending("5")), create()).await;
    assert_eq!(attributes(&rig.span("shop.Orders/Create"))["rpc.response.status_code"], "NOT_FOUND");
}

#[tokio::test]
async fn rpc_attributes_absent_for_other_content_types() {
    for content in ["application/json", "application/grpc-web+proto"] {
        let rig = Rig::new();
        let mut request = create();
        request.headers_mut().insert("content-type", content.parse().unwrap());
        attempt(&answering_with(&rig.outbound(), || trailers_only(200, "14")), request).await;
        let span = rig.span("POST");
        assert_eq!(span.status, Status::Unset);
        assert!(attributes(&span).keys().all(|key| !key.starts_with("rpc.")), "{content}");
        assert_eq!(rig.values("rpc.client.call.duration"), []);
    }
}

#[tokio::test]
async fn rpc_span_and_duration_recorded_per_attempt() {
    let rig = Rig::new();
    let service = answering_with(&rig.outbound(), || trailers_only(200, "14"));
    let mut request = create();
    request.extensions_mut().insert(Call::new());
    for _ in 0..2 {
        attempt(&service, request.clone()).await;
    }
    let rpcs: Vec<_> = rig.spans().into_iter().filter(|span| span.span_kind == SpanKind::Client).collect();
    assert!(rpcs.iter().all(|span| span.name == "shop.Orders/Create"));
    let retries = rpcs.iter().map(|span| attributes(span).remove("http.request.resend_count"));
    assert_eq!(retries.collect::<Vec<_>>(), [None, Some("1".to_owned())]);
    assert_eq!(rig.values("rpc.client.call.duration")[0].1, 2.0);
}

#[tokio::test]
async fn rpc_method_not_listed_is_other_with_original_on_span() {
    let rig = Rig::new();
    let observer = rig.observer().metrics(Metrics::Core).known_rpc_methods(["shop.Orders/Create"]).build();
    let service = answering_with(&Outbound::builder().observer(observer).build(), || ending("0"));
    attempt(&service, create()).await;
    attempt(&service, asking(Uri::from_static("http://a.example:50051/shop.Orders/Delete"))).await;
    assert_eq!(attributes(&rig.span("shop.Orders/Create")).get("rpc.method_original"), None);
    let other = attributes(&rig.span("grpc"));
    assert_eq!((&*other["rpc.method"], &*other["rpc.method_original"]), ("_OTHER", "shop.Orders/Delete"));
    let methods: Vec<_> = rig
        .values("rpc.client.call.duration")
        .into_iter()
        .map(|(mut labels, count)| (labels.remove("rpc.method").unwrap(), count))
        .collect();
    assert_eq!(methods, [("_OTHER".into(), 1.0), ("shop.Orders/Create".into(), 1.0)]);
}

#[tokio::test]
async fn rpc_metric_series_stay_below_sdk_limit_and_lose_no_count() {
    let rig = Rig::new();
    let observer = rig.observer().phases(Phases::Off).build();
    let outbound = Outbound::builder().observer(observer).build();
    let mut sent = 0.0;
    for status in [0, 14, 400, 401] {
        let answer = move || match status {
            0..=16 => ending(&status.to_string()),
            http => trailers_only(http, ""),
        };
        let service = answering_with(&outbound, answer);
        for host in 0..120 {
            for method in 0..13 {
                // 120 methods in total; each host has some of them.
                let method = (host * 7 + method) % 120;
                let uri = format!("http://host-{host}.example/shop.Orders/M{method}");
                attempt(&service, asking(uri.parse().unwrap())).await;
                sent += 1.0;
            }
        }
    }
    for status in 402..1000 {
        let service = answering_with(&outbound, move || trailers_only(status, ""));
        attempt(&service, create()).await;
        sent += 1.0;
    }
    let series = rig.series("rpc.client.call.duration");
    assert!((1200..2000).contains(&series.len()), "{}", series.len());
    assert!(series.iter().all(|series| !series.attributes.contains_key("otel.metric.overflow")));
    assert_eq!(series.iter().map(|series| series.value).sum::<f64>(), sent, "no attempt is lost");
    let methods = series.iter().map(|series| series.attributes["rpc.method"].as_str());
    let methods: std::collections::BTreeSet<_> = methods.collect();
    assert!(methods.len() <= 101 && methods.contains("_OTHER"), "{}", methods.len());
}
