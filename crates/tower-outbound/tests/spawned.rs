//! Calls in spawned tasks compile where the error of the request's body is a `Box<dyn Error + Send + Sync>`.

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};
use tower_layer::Layer;
use tower_outbound::connect::TcpConnector;
use tower_outbound::{BoxError, Failure, Kind, Outbound, Stack};

type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A request that never leaves the process.
fn request() -> Request<Body> {
    let body = Full::new(Bytes::from("whole")).map_err(BoxError::from).boxed_unsync();
    Request::get("https://127.0.0.1:1/").body(body).unwrap()
}

fn kind<T>(result: Result<T, tower_outbound::Error>) -> Option<Kind> {
    result.err().map(|error| Failure::of(&error).kind())
}

#[tokio::test]
async fn spawned_call_of_body_with_boxed_error_compiles() {
    let outbound = Outbound::new();
    let client = outbound.hyper_client(outbound.http_connector());
    let mut client: Stack<TcpConnector, Body> = outbound.layer().layer(client);
    let called = tokio::spawn(async move {
        let first = kind(client.call(request()).await);
        (first, kind(client.ready().await.unwrap().call(request()).await))
    });
    let (called, ready) = called.await.unwrap();
    assert!(called.is_some() && called == ready, "{called:?} {ready:?}");
}
