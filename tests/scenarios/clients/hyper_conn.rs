//! hyper's bare connections: no pool, so nothing but the bytes tells which exchange a connection serves.

use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::{
    ObserveLayer, ObserveRequestBody, Outbound, Protocol, Reuse, TcpIo, Timings, TrackedIo,
};

use super::checks::{ANSWER, marks_are_monotone};
use super::hyper_util::{HTTP_1, answer};
use crate::support::{Body, recorded};

type Pending = std::pin::Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;
type Sent = ObserveRequestBody<Body>;

/// hyper's senders are no services: this is all that makes them one.
struct Raw<S>(S);

macro_rules! service {
    ($sender:ty) => {
        impl Service<Request<Sent>> for Raw<$sender> {
            type Response = Response<Incoming>;
            type Error = hyper::Error;
            type Future = Pending;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
                self.0.poll_ready(cx)
            }

            fn call(&mut self, request: Request<Sent>) -> Pending {
                Box::pin(self.0.send_request(request))
            }
        }
    };
}

service!(http1::SendRequest<Sent>);
service!(http2::SendRequest<Sent>);

async fn connect(outbound: &Outbound, uri: &http::Uri) -> TrackedIo<TcpIo> {
    let io = outbound.connector(outbound.http_connector()).oneshot(uri.clone()).await.unwrap();
    assert_eq!(outbound.connections().len(), 1, "open before anything was sent");
    io
}

/// Two requests, one after the other.
async fn send_twice<S>(sender: Raw<S>, outbound: &Outbound, uri: &http::Uri) -> [Timings; 2]
where
    Raw<S>: Service<Request<Sent>, Response = Response<Incoming>, Error = hyper::Error, Future = Pending>,
{
    use http_body_util::BodyExt as _;

    // A bare HTTP/1 connection is sent paths only.
    let mut service = ObserveLayer::new(outbound.registry().clone()).origin(uri).layer(sender);
    let mut send = async || {
        let request = Request::post("/path").header("host", "peer.test").body(Body::from("upload")).unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ANSWER);
        assert!(timings.is_complete());
        timings
    };
    [send().await, send().await]
}

#[tokio::test]
async fn an_exchange_knows_its_http_1_connection_by_its_turn() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let (sender, connection) = http1::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);

    let timings = send_twice(Raw(sender), &outbound, &server.uri("/")).await;
    driver.await.unwrap().unwrap();
    recorder.settled().await;

    let served: Vec<_> = timings.iter().map(|timings| timings.connection().unwrap()).collect();
    assert_eq!(served[0].id(), served[1].id());
    assert_eq!(served[0].protocol(), Some(Protocol::Http1));
    assert_eq!(timings.each_ref().map(|timings| timings.usage().unwrap().number()), [1, 2]);
    assert_eq!(timings.each_ref().map(Timings::reuse), [Reuse::New, Reuse::Reused]);
    for timings in &timings {
        assert!(!timings.setup_paid(), "the connection was there before");
        assert!(!timings.first_byte_is_upper_bound());
        marks_are_monotone(timings);
    }
    let origin = timings[0].exchange().origin().to_string();
    assert_eq!(origin, format!("http://{}", server.address().unwrap()));
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.close_reasons(), ["dropped"]);
    assert_eq!(recorder.count("Misplaced"), 0);
}

#[tokio::test]
async fn on_bare_http_2_the_connection_is_unknown_rather_than_guessed() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let io = connect(&outbound, &server.uri("/")).await;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let driver = tokio::spawn(connection);

    let timings = send_twice(Raw(sender), &outbound, &server.uri("/")).await;
    assert_eq!(outbound.connections()[0].protocol(), Some(Protocol::Http2));
    driver.await.unwrap().unwrap();
    recorder.settled().await;

    for timings in &timings {
        assert!(timings.connection().is_none() && timings.setup().is_none());
        assert_eq!(timings.reuse(), Reuse::Unknown);
        assert!(timings.first_byte_is_upper_bound());
        marks_are_monotone(timings);
    }
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.count("connected"), 1);
    assert_eq!(recorder.count("Misplaced"), 0);
}
