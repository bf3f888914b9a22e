//! hyper-util's pooled client below the layers.

use http::{Request, Response};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use outbound_tests::certs::Certs;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower_layer::Layer as _;
use tower_outbound::Phase;
use tower_outbound::connect::Protocol;

use super::checks::{ANSWER, connects_and_reuses, knows_the_handshake};
use crate::support::{Body, recorded, stack, tcp};

pub(super) const HTTP_1: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer";

pub(super) async fn answer(_: Request<hyper::body::Incoming>) -> Response<Body> {
    Response::new(Body::from(ANSWER))
}

#[tokio::test]
async fn hyper_util_http1_over_tcp_connects_and_reuses() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    connects_and_reuses(tcp(&outbound), &server.uri("/"), Protocol::Http1, &recorder).await;
    assert!(recorder.timings()[0].setup().unwrap().tls().is_none());
}

#[tokio::test]
async fn hyper_util_http1_by_alpn_connects_and_reuses() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_all_versions()
        .wrap_connector(outbound.http_connector());
    let uri = server.uri_with("https", "127.0.0.1", "/");
    let client = stack(&outbound, outbound.connector(https));
    connects_and_reuses(client, &uri, Protocol::Http1, &recorder).await;
    knows_the_handshake(&recorder, "http/1.1");
    assert_eq!(server.log()[0].alpn.as_deref(), Some("http/1.1"));
}

#[tokio::test]
async fn hyper_util_http2_by_alpn_connects_and_reuses() {
    let certs = Certs::new("peer.test");
    let server =
        H2Server::builder().tls(certs.server_config(&["h2", "http/1.1"])).start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_all_versions()
        .wrap_connector(outbound.http_connector());
    let client = stack(&outbound, outbound.connector(https));
    connects_and_reuses(client, &server.uri("/"), Protocol::Http2, &recorder).await;
    knows_the_handshake(&recorder, "h2");
    let first = &recorder.timings()[0];
    for phase in [Phase::Tcp, Phase::Tls, Phase::Wait, Phase::Body] {
        assert!(first.phase(phase).is_some(), "no phase {phase}: {first}");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn hyper_util_http2_prior_knowledge_connects_and_reuses() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build(outbound.connector(outbound.http_connector()));
    let client = outbound.attempt_layer().layer(client);
    connects_and_reuses(client, &server.uri("/"), Protocol::Http2, &recorder).await;
    assert_eq!(server.accepted(), 1);
}
