//! An incomplete stack is reported once, and a complete one never.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::event::StackWarning;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{Event, Outbound};

use super::hyper_util::{HTTP_1, answer};
use crate::support::{Body, stack, tcp};

const REQUESTS: usize = 3;

/// Records the warnings, in order.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<StackWarning>>>);

impl Warnings {
    fn all(&self) -> Vec<StackWarning> {
        self.0.lock().unwrap().clone()
    }
}

fn watched() -> (Outbound, Recorder, Warnings) {
    let (recorder, warnings) = (Recorder::new(), Warnings::default());
    let reported = warnings.clone();
    let watch = move |event: &Event<'_>| {
        if let Event::Misplaced { warning, .. } = event {
            reported.0.lock().unwrap().push(*warning);
        }
    };
    (Outbound::builder().observer(recorder.clone()).observer(watch).build(), recorder, warnings)
}

async fn send<S, B>(client: S, uri: &http::Uri)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    for _ in 0..REQUESTS {
        let request = secret::request(uri, Body::default());
        client.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    }
}

async fn server() -> ScriptedServer {
    ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap()
}

#[tokio::test]
async fn stack_warning_layer_without_connector_reported_once() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    send(stack(&outbound, outbound.http_connector()), &server.uri("/")).await;
    assert_eq!(warnings.all(), [StackWarning::Untracked]);
    assert!(StackWarning::Untracked.to_string().contains("outbound.connector(..)"));
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_connector_without_layer_reported_once() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    let connector = outbound.connector(outbound.http_connector());
    send(Client::builder(TokioExecutor::new()).build(connector), &server.uri("/")).await;
    assert_eq!(warnings.all(), [StackWarning::Unobserved]);
    assert!(StackWarning::Unobserved.to_string().contains("outbound.layer()"));
    recorder.settled().await;
}

#[tokio::test]
async fn connector_without_layer_does_not_guess_the_close_reason() {
    let close = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let server = ScriptedServer::tcp(Script::new().read_request().write(close).hang()).await.unwrap();
    let (outbound, recorder, _) = watched();
    let connector = outbound.connector(outbound.http_connector());
    send(Client::builder(TokioExecutor::new()).build(connector), &server.uri("/")).await;
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["unknown"; REQUESTS]);
}

#[tokio::test]
async fn stack_warning_http2_connector_without_layer_once() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder, warnings) = watched();
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
    send(client, &server.uri("/")).await;
    recorder.settled().await;
    assert_eq!(warnings.all(), [StackWarning::Unobserved]);
}

#[tokio::test]
async fn stack_warning_two_layers_reported_once() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let twice = outbound.attempt_layer().layer(outbound.attempt_layer().layer(client));
    send(twice, &server.uri("/")).await;
    assert_eq!(warnings.all(), [StackWarning::ObservedTwice]);
    assert!(StackWarning::ObservedTwice.to_string().contains("remove one `outbound.layer()`"));
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_absent_for_whole_stack() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    send(tcp(&outbound), &server.uri("/")).await;
    send(outbound.client(), &server.uri("/")).await;
    let http_2 = H2Server::builder().start(answer).await.unwrap();
    send(outbound.client_builder().http2_only(true).build(), &http_2.uri("/")).await;
    assert_eq!(warnings.all(), []);
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_absent_for_request_sent_inside_another() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    // A middleware below the layer sends a request for a token first. URIs without a path share one static `/`.
    let (client, token) = (tcp(&outbound), format!("http://{}", server.address().unwrap()));
    let inner = tower::service_fn(move |_: Request<ObserveRequestBody<Body>>| {
        let request = Request::get(&token).body(Body::default()).unwrap();
        client.clone().oneshot(request)
    });
    let request = Request::get("http://api.test").body(Body::default()).unwrap();
    let response = outbound.attempt_layer().layer(inner).oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(warnings.all(), []);
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_absent_for_cloned_uri_sent_inside_another() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    // A middleware below the layer that sends a request of its own to the URI of the request that it got.
    let observed = tcp(&outbound);
    let probe = tower::service_fn(move |request: Request<ObserveRequestBody<Body>>| {
        let own = Request::get(request.uri().clone()).body(Body::default()).unwrap();
        observed.clone().oneshot(own)
    });
    let whole = outbound.client();
    let whole_probe = tower::service_fn(move |request: Request<ObserveRequestBody<Body>>| {
        let own = Request::get(request.uri().clone()).body(Body::default()).unwrap();
        whole.clone().oneshot(own)
    });
    for uri in [server.uri("/"), server.uri("/path")] {
        let request = || Request::get(uri.clone()).body(Body::default()).unwrap();
        let response = outbound.attempt_layer().layer(probe.clone()).oneshot(request()).await.unwrap();
        response.into_body().collect().await.unwrap();
        let response = outbound.attempt_layer().layer(whole_probe.clone()).oneshot(request()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    assert_eq!(recorder.outcomes(), ["ok"; 8]);
    assert_eq!(warnings.all(), []);
    drop((probe, whole_probe));
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_two_layers_found_behind_boxed_body() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let inner = outbound.attempt_layer().layer(client);
    let boxed = tower::service_fn(move |request: Request<_>| {
        inner.clone().oneshot(request.map(|body: ObserveRequestBody<_>| body.boxed_unsync()))
    });
    // The retry layer has put the call into the extensions.
    send(outbound.layer().layer(boxed), &server.uri("/")).await;
    assert_eq!(warnings.all(), [StackWarning::ObservedTwice]);
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_observe_around_whole_client_reported() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    // The client boxes the body, and no layer above has made a call.
    send(outbound.observe_layer().layer(outbound.client()), &server.uri("/")).await;
    assert_eq!(warnings.all(), [StackWarning::RetryInsideObserve, StackWarning::ObservedTwice]);
    recorder.settled().await;
}

#[tokio::test]
async fn stack_warning_observed_twice_found_behind_mapped_body() {
    let (server, (outbound, recorder, warnings)) = (server().await, watched());
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let boxed = tower_http::map_request_body::MapRequestBodyLayer::new(|body: ObserveRequestBody<Body>| {
        body.boxed_unsync()
    });
    let twice = outbound.attempt_layer().layer(boxed.layer(outbound.attempt_layer().layer(client)));
    send(twice, &server.uri("/")).await;
    assert_eq!(warnings.all(), [StackWarning::ObservedTwice]);
    recorder.settled().await;
}
