//! Tunnels through an HTTP proxy.

use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{Script, ScriptedServer};
use tokio::io::AsyncReadExt as _;
use tower::{Service as _, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::TunnelConnector;
use tower_outbound::{Error, Kind, Outbound, Phase, SendState};

use crate::support::Body;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A GET to an origin behind the proxy, with retries.
async fn get(proxy: &ScriptedServer, recorder: &Recorder) -> Result<String, Error> {
    let outbound = Outbound::builder().observer(recorder.clone()).build();
    let tunnel = TunnelConnector::new(proxy.uri(""), outbound.http_connector())
        .authorization("Basic c2VjcmV0".parse().unwrap());
    let connector = outbound.connector(tunnel);
    let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector);
    let client = outbound.layer().layer(client);
    let request = Request::get("http://origin.test/x").body(Body::default()).unwrap();
    let body = client.oneshot(request).await?.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn tunnel_opens_at_any_2xx_of_proxy() {
    for answer in [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.0 200\r\nvia: x\r\n\r\n",
        "HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 299 Fine\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let script = Script::new().read_head().write(answer).read_request().write(OK).read_to_end();
        let proxy = ScriptedServer::tcp(script).await.unwrap();
        let recorder = Recorder::new();
        assert_eq!(get(&proxy, &recorder).await.unwrap(), "ok", "{answer}");
        let heads = proxy.log().remove(0).heads;
        assert!(
            heads[0].starts_with("CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\n"),
            "{heads:?}"
        );
        assert!(heads[0].contains("\r\nproxy-authorization: Basic c2VjcmV0\r\n"), "{heads:?}");
        assert!(heads[1].starts_with("GET /x HTTP/1.1\r\n"), "{heads:?}");
        assert!(recorder.phases().contains(&(Phase::Tunnel, "ok")), "{:?}", recorder.phases());
        recorder.settled().await;
    }
}

#[tokio::test]
async fn tunnel_refusal_is_retried_unless_4xx() {
    for (status, kind, connections) in [
        (403, Kind::ProxyTunnel, 1),
        (404, Kind::ProxyTunnel, 1),
        (407, Kind::UserAuthentication, 1),
        (429, Kind::ProxyTunnel, 3),
        (502, Kind::ProxyTunnel, 3),
        (503, Kind::ProxyTunnel, 3),
    ] {
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\n\r\n");
        let proxy = ScriptedServer::tcp(Script::new().read_head().write(answer).read_to_end()).await.unwrap();
        let recorder = Recorder::new();
        let error = get(&proxy, &recorder).await.unwrap_err();
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (kind, Some(Phase::Tunnel)), "{status}: {error:?}");
        assert_eq!(failure.send_state(), Some(SendState::NotSent), "{status}");
        assert_eq!(failure.status().map(|status| status.as_u16()), Some(status));
        assert_eq!(proxy.accepted(), connections, "{status}");
        recorder.settled().await;
    }
}

#[tokio::test]
async fn tunnel_proxy_that_closes_or_speaks_nonsense_fails() {
    for answer in ["", "HTTP/1.1 200 OK\r\nbegun", "SSH-2.0-x\r\n\r\n", &"x".repeat(20_000)] {
        let script = Script::new().read_head().write(answer.to_owned()).shutdown().read_to_end();
        let proxy = ScriptedServer::tcp(script).await.unwrap();
        let error = get(&proxy, &Recorder::new()).await.unwrap_err();
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (Kind::ProxyTunnel, Some(Phase::Tunnel)), "{error:?}");
    }
}

#[tokio::test]
async fn tunnel_keeps_bytes_that_follow_answer() {
    let script = Script::new().read_head().write("HTTP/1.1 200 OK\r\n\r\nhello").read_to_end();
    let (_proxy, connector) = ScriptedServer::duplex(script);
    let mut tunnel = TunnelConnector::new("http://proxy.test".parse().unwrap(), connector);
    let io = tunnel.call("https://origin.test".parse().unwrap()).await.unwrap();
    let mut hello = [0; 5];
    TokioIo::new(io).read_exact(&mut hello).await.unwrap();
    assert_eq!(&hello, b"hello");
}
