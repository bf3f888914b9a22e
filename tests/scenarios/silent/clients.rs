//! Retirement with other HTTP/2 clients: tonic and a bare hyper connection.

use hyper::client::conn;
use tonic::codegen::Service as _;
use tonic::transport::Endpoint;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_outbound::SendState;
use tower_outbound::observe::ObserveRequestBody;

use super::*;

type Boxed = fn(ObserveRequestBody<Body>) -> tonic::body::Body;

#[tokio::test(start_paused = true)]
async fn silent_retire_tonic_channel_reconnects() {
    let (server, peer) = ScriptedServer::duplex([silent(), silent()]);
    let (outbound, recorder) = recorded();
    let connector = outbound.track_layer().layer(peer);
    let channel = Endpoint::from_static("http://127.0.0.1").connect_with_connector_lazy(connector);
    let channel = MapRequestBodyLayer::new(tonic::body::Body::new as Boxed).layer(channel);
    let mut client = outbound.attempt_layer().origin(&server.uri("/")).layer(channel);
    // tonic replaces an empty body by its own.
    let request = || secret::request(&server.uri("/"), Body::from("x"));
    let response = client.ready().await.unwrap().call(request()).await.unwrap();
    response.into_body().collect().await.unwrap();
    tokio::time::sleep(ms(1)).await;
    for _ in 0..2 {
        let error = client.ready().await.unwrap().call(request()).await.unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
        assert!(error.attempt().unwrap().connection_was_silent());
    }
    assert_eq!(recorder.count("ConnectionRetired"), 1);
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    let response = client.ready().await.unwrap().call(request()).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!((opened(&server, 0), opened(&server, 1)), (vec![1, 3, 5], vec![1]));
    drop((client, server));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn silent_retire_bare_hyper_connection_fails_not_sent() {
    let (server, peer) = ScriptedServer::duplex(silent());
    let (outbound, recorder) = recorded();
    let io = outbound.connector(peer).oneshot(server.uri("/")).await.unwrap();
    let (sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let send = tower::service_fn(move |request: Request<ObserveRequestBody<Body>>| {
        sender.clone().send_request(request)
    });
    let client = outbound.attempt_layer().layer(send);
    client.clone().oneshot(request(&server)).await.unwrap().into_body().collect().await.unwrap();
    tokio::time::sleep(ms(1)).await;
    for _ in 0..2 {
        let error = client.clone().oneshot(request(&server)).await.unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
    }
    let error = client.clone().oneshot(request(&server)).await.unwrap_err();
    assert_eq!(error.failure().send_state(), Some(SendState::NotSent), "{error:?}");
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    assert_eq!(opened(&server, 0), [1, 3, 5]);
    connection.await.unwrap().unwrap();
    drop((client, server));
    recorder.settled().await;
}
