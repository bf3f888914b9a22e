//! TLS above the tracked connector, by clients other than tonic: the tracked bytes are ciphertext.

use std::convert::Infallible;
use std::error::Error as _;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use outbound_tests::certs::Certs;
use outbound_tests::secret;
use outbound_tests::server::{Ended, H2Server, Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::connect::{ConnectionState, TcpConnector, Track};
use tower_outbound::{Error, Failure, Kind, Outbound, Reuse, SendState};

use super::checks::send;
use super::hyper_util::{HTTP_1, answer};
use crate::support::{Body, recorded, stack};

/// TLS around the tracked connector: the wrong order.
fn around(outbound: &Outbound, certs: &Certs) -> HttpsConnector<Track<TcpConnector>> {
    HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_all_versions()
        .wrap_connector(outbound.connector(outbound.http_connector()))
}

async fn reuses(uri: &http::Uri, certs: &Certs) {
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, around(&outbound, certs));
    let timings = [send(&client, uri).await, send(&client, uri).await, send(&client, uri).await];
    assert_eq!([0, 1, 2].map(|one| timings[one].reuse()), [Reuse::New, Reuse::Reused, Reuse::Reused]);
    assert_eq!([0, 1, 2].map(|one| timings[one].usage().unwrap().number()), [1, 2, 3]);
    let connection = outbound.connections().pop().unwrap();
    assert!(timings.iter().all(|timings| timings.connection().as_ref() == Some(&connection)));
    assert_eq!((connection.uses(), connection.in_flight()), (3, 0));
    assert_eq!(connection.state(), ConnectionState::Idle);
    assert_eq!(connection.protocol(), None, "the bytes are ciphertext");
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["dropped"]);
}

#[tokio::test]
async fn tls_above_http1_reports_reuse() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    reuses(&server.uri_with("https", "127.0.0.1", "/"), &certs).await;
}

#[tokio::test]
async fn tls_above_http2_reports_reuse() {
    let certs = Certs::new("peer.test");
    let server =
        H2Server::builder().tls(certs.server_config(&["h2", "http/1.1"])).start(answer).await.unwrap();
    reuses(&server.uri("/"), &certs).await;
}

#[tokio::test]
async fn tls_above_http2_dropped_body_is_not_close_reason() {
    type Endless = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;
    async fn begin(_: Request<Incoming>) -> Response<Endless> {
        let frames = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
        Response::new(StreamBody::new(frames).boxed_unsync())
    }
    let certs = Certs::new("peer.test");
    let server = H2Server::builder().tls(certs.server_config(&["h2"])).start(begin).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, around(&outbound, &certs));
    let request = secret::request(&server.uri("/"), Body::default());
    drop(client.clone().oneshot(request).await.unwrap());
    assert_eq!(recorder.outcomes(), ["cancelled in body"]);
    assert_eq!(outbound.connections()[0].state(), ConnectionState::Idle);
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["dropped"], "only a stream was reset");
}

#[track_caller]
fn names_what_is_missing(mut error: &(dyn std::error::Error + 'static)) {
    while let Some(source) = error.source() {
        error = source;
    }
    assert!(error.to_string().contains("tls_config"), "{error}");
}

#[tokio::test]
async fn tls_above_missing_sends_no_byte_and_no_retry() {
    for http2 in [false, true] {
        let (server, peer) = ScriptedServer::duplex(Script::new().read_to_end());
        let (outbound, recorder) = recorded();
        let connector = outbound.track_layer().below_tls(true).layer(peer);
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build(connector);
        let client = outbound.layer().layer(client);
        let uri = server.uri_with("https", "peer.test", "/");
        let request = secret::request(&uri, Body::from("upload"));
        let error: Error = client.clone().oneshot(request).await.unwrap_err();
        assert_eq!(error.failure().kind(), Kind::SecureConnection, "{error:?}");
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent), "{error:?}");
        assert!(error.history().is_empty());
        names_what_is_missing(error.source().unwrap());
        server.wait_until(|log| log[0].ended == Some(Ended::PeerClosed)).await;
        assert_eq!((server.accepted(), server.log()[0].raw.len()), (1, 0), "http2: {http2}");
        drop((client, error));
        recorder.settled().await;
    }
}

#[tokio::test]
async fn tls_above_missing_fails_bare_handshake_before_first_byte() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_to_end());
    let (outbound, recorder) = recorded();
    let connector = outbound.track_layer().below_tls(true).layer(peer);
    let io = connector.oneshot(server.uri_with("https", "peer.test", "/")).await.unwrap();
    let error = http2::handshake::<_, _, Body>(TokioExecutor::new(), io).await.unwrap_err();
    let failure = Failure::of(&error);
    assert_eq!((failure.kind(), failure.send_state()), (Kind::SecureConnection, Some(SendState::NotSent)));
    names_what_is_missing(&error);
    server.wait_until(|log| log[0].ended == Some(Ended::PeerClosed)).await;
    assert!(server.log()[0].raw.is_empty());
    recorder.settled().await;
}

#[tokio::test]
async fn below_tls_on_plain_http_changes_nothing() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let connector = outbound.track_layer().below_tls(true).layer(outbound.http_connector());
    let client = stack(&outbound, connector);
    assert_eq!(send(&client, &server.uri("/")).await.reuse(), Reuse::New);
    drop(client);
    recorder.settled().await;
}
