//! gRPC: one span and one duration of each exchange, with both conventions' attributes.

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

/// A request as a gRPC client sends it.
pub(crate) fn asking(uri: Uri) -> Request<Body> {
    let request =
        Request::post(uri).header("content-type", "application/grpc+proto").header("te", "trailers");
    request.body(Body::new()).unwrap()
}

/// A message, then trailers with this status; none where it is empty.
pub(crate) fn ending(status: &str) -> Response<GrpcBody> {
    let mut trailers = HeaderMap::new();
    if !status.is_empty() {
        trailers.insert("grpc-status", status.parse().unwrap());
    }
    let body = Answer::from("\0\0\0\0\0").with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
}

/// Nothing but trailers, in the head.
fn trailers_only(http: u16, status: &str) -> Response<GrpcBody> {
    let mut response = Response::builder().status(http).header("content-type", "application/grpc");
    if !status.is_empty() {
        response = response.header("grpc-status", status);
    }
    response.body(Body::new().boxed_unsync()).unwrap()
}

/// Answers as `answer` does.
fn answering_with<A: Fn() -> Response<GrpcBody> + Clone>(
    outbound: &Outbound,
    answer: A,
) -> impl Service<
    Request<Body>,
    Response = Response<tower_outbound::ObserveBody<tower_outbound::InFlightBody<GrpcBody>>>,
    Error = tower_outbound::Error,
> + Clone
+ use<A> {
    let answer = move |_| std::future::ready(Ok::<_, BoxError>(answer()));
    outbound.exchange_layer().layer(tower::service_fn(answer))
}

fn create() -> Request<Body> {
    asking(Uri::from_static("http://a.example:50051/shop.Orders/Create?a=b"))
}

/// Code, `error.type` on the span and whether its status is an error, for an answer that is read to its end.
async fn told(answer: impl Fn() -> Response<GrpcBody> + Clone) -> (String, Option<String>, bool) {
    let rig = Rig::new();
    exchange(&answering_with(&rig.outbound(), answer), create()).await;
    let span = rig.span("shop.Orders/Create");
    let mut attributes = attributes(&span);
    let told = (attributes.remove("rpc.response.status_code").unwrap(), attributes.remove("error.type"));
    let [(mut labels, count)] = <[_; 1]>::try_from(rig.values("rpc.client.call.duration")).unwrap();
    assert_eq!(count, 1.0);
    let metric = (labels.remove("rpc.response.status_code").unwrap(), labels.remove("error.type"));
    assert_eq!(told, metric, "the same on the span and on the metric");
    (told.0, told.1, span.status == Status::error(""))
}

#[tokio::test]
async fn an_rpc_is_one_client_span_with_http_and_rpc_attributes_and_one_duration() {
    let rig = Rig::new();
    let mut request = create();
    request.extensions_mut().insert(UrlTemplate("/{service}/{method}"));
    exchange(&answering_with(&rig.outbound(), || ending("0")), request).await;

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
async fn a_status_that_is_not_ok_is_an_error_inside_a_200() {
    for answer in [|| ending("14"), || trailers_only(200, "14")] {
        let rig = Rig::new();
        exchange(&answering_with(&rig.outbound(), answer), create()).await;
        let span = rig.span("shop.Orders/Create");
        assert_eq!(span.status, Status::error(""));
        let attributes = attributes(&span);
        assert_eq!(attributes["rpc.response.status_code"], "UNAVAILABLE");
        assert_eq!(attributes["error.type"], "UNAVAILABLE");
        assert_eq!(attributes["http.response.status_code"], "200");
        for metric in ["outbound.requests", "outbound.call.exchanges"] {
            assert_eq!(rig.values(metric)[0].0["outbound.outcome"], "error", "{metric}");
        }
        let (http, _) = rig.values("http.client.request.duration").remove(0);
        assert_eq!(http.get("error.type"), None, "for HTTP, a 200 is none");
    }
}

#[tokio::test]
async fn what_an_rpc_has_come_to_is_the_peers_status_or_what_a_client_makes_of_the_answer() {
    let error = |code: &str, kind: &str| (code.to_owned(), Some(kind.to_owned()), true);
    assert_eq!(told(|| trailers_only(200, "0")).await, ("OK".into(), None, false));
    assert_eq!(told(|| ending("1")).await, error("CANCELLED", "CANCELLED"));
    assert_eq!(told(|| ending("16")).await, error("UNAUTHENTICATED", "UNAUTHENTICATED"));
    assert_eq!(told(|| ending("")).await, error("UNKNOWN", "UNKNOWN"));
    assert_eq!(told(|| ending("17")).await, error("UNKNOWN", "UNKNOWN"));
    assert_eq!(told(|| ending("ok")).await, error("UNKNOWN", "UNKNOWN"));
    assert_eq!(told(|| trailers_only(503, "")).await, error("UNAVAILABLE", "503"));
    assert_eq!(told(|| trailers_only(404, "")).await, error("UNIMPLEMENTED", "404"));
    assert_eq!(told(|| trailers_only(503, "8")).await, error("RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED"));
}

#[tokio::test]
async fn a_failure_below_grpc_keeps_its_kind_and_has_a_code() {
    let rig = Rig::new();
    let uri = format!("http://{}/shop.Orders/Create", closed_port().unwrap());
    assert_eq!(exchange(&client(&rig.outbound()), asking(uri.parse().unwrap())).await, None);
    let span = attributes(&rig.span("shop.Orders/Create"));
    assert_eq!(span["error.type"], "connection_refused");
    assert_eq!(span["rpc.response.status_code"], "UNAVAILABLE");
    let (labels, count) = rig.values("rpc.client.call.duration").remove(0);
    assert_eq!((labels["error.type"].as_str(), count), ("connection_refused", 1.0));
}

#[tokio::test]
async fn the_callers_cancellation_is_no_error_and_has_grpcs_code_for_it() {
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
async fn who_reads_no_further_than_the_trailers_has_read_everything() {
    let rig = Rig::new();
    let response = answering_with(&rig.outbound(), || ending("0")).oneshot(create()).await.unwrap();
    let mut body = response.into_body();
    while !body.frame().await.unwrap().unwrap().is_trailers() {}
    drop(body);
    assert_eq!(attributes(&rig.span("shop.Orders/Create"))["rpc.response.status_code"], "OK");
    assert_eq!(rig.values("outbound.requests")[0].0["outbound.outcome"], "ok");
}

#[tokio::test]
async fn an_rpc_ends_with_its_trailers_even_where_others_end_at_the_head() {
    let rig = Rig::new();
    let outbound = Outbound::builder().observer(rig.observer().end_at_head().build()).build();
    exchange(&answering_with(&outbound, || ending("5")), create()).await;
    assert_eq!(attributes(&rig.span("shop.Orders/Create"))["rpc.response.status_code"], "NOT_FOUND");
}

#[tokio::test]
async fn what_is_not_grpc_by_its_request_has_nothing_of_it() {
    for content in ["application/json", "application/grpc-web+proto"] {
        let rig = Rig::new();
        let mut request = create();
        request.headers_mut().insert("content-type", content.parse().unwrap());
        exchange(&answering_with(&rig.outbound(), || trailers_only(200, "14")), request).await;
        let span = rig.span("POST");
        assert_eq!(span.status, Status::Unset);
        assert!(attributes(&span).keys().all(|key| !key.starts_with("rpc.")), "{content}");
        assert_eq!(rig.values("rpc.client.call.duration"), []);
    }
}

#[tokio::test]
async fn each_exchange_of_a_call_is_an_rpc_of_its_own() {
    let rig = Rig::new();
    let service = answering_with(&rig.outbound(), || trailers_only(200, "14"));
    let mut request = create();
    request.extensions_mut().insert(Call::new());
    for _ in 0..2 {
        exchange(&service, request.clone()).await;
    }
    let rpcs: Vec<_> = rig.spans().into_iter().filter(|span| span.span_kind == SpanKind::Client).collect();
    assert!(rpcs.iter().all(|span| span.name == "shop.Orders/Create"));
    let resends = rpcs.iter().map(|span| attributes(span).remove("http.request.resend_count"));
    assert_eq!(resends.collect::<Vec<_>>(), [None, Some("1".to_owned())]);
    assert_eq!(rig.values("rpc.client.call.duration")[0].1, 2.0);
}

#[tokio::test]
async fn a_method_outside_of_the_list_is_other_and_its_own_name_is_on_the_span() {
    let rig = Rig::new();
    let observer = rig.observer().metrics(Metrics::Core).known_rpc_methods(["shop.Orders/Create"]).build();
    let service = answering_with(&Outbound::builder().observer(observer).build(), || ending("0"));
    exchange(&service, create()).await;
    exchange(&service, asking(Uri::from_static("http://a.example:50051/shop.Orders/Delete"))).await;
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
async fn methods_hosts_and_statuses_together_stay_below_the_sdks_limit_and_no_rpc_is_lost() {
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
                // 120 methods in all, of which each host has some.
                let method = (host * 7 + method) % 120;
                let uri = format!("http://host-{host}.example/shop.Orders/M{method}");
                exchange(&service, asking(uri.parse().unwrap())).await;
                sent += 1.0;
            }
        }
    }
    for status in 402..1000 {
        let service = answering_with(&outbound, move || trailers_only(status, ""));
        exchange(&service, create()).await;
        sent += 1.0;
    }
    let series = rig.series("rpc.client.call.duration");
    assert!((1200..2000).contains(&series.len()), "{}", series.len());
    assert!(series.iter().all(|series| !series.attributes.contains_key("otel.metric.overflow")));
    assert_eq!(series.iter().map(|series| series.value).sum::<f64>(), sent, "none is lost");
    let methods = series.iter().map(|series| series.attributes["rpc.method"].as_str());
    let methods: std::collections::BTreeSet<_> = methods.collect();
    assert!(methods.len() <= 101 && methods.contains("_OTHER"), "{}", methods.len());
}
