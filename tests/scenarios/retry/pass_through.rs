//! What the layer passes through unchanged, and the headers about retries in both directions.

use std::time::Duration;

use http::{HeaderName, Method, StatusCode, Version};
use outbound_tests::server::{Script, ScriptedServer};
use tokio::time::Instant;
use tower_outbound::retry::RetryHistory;

use super::*;

/// Sends a request with every option on. Returns the response and the bytes that the peer read.
async fn pass_through(request: Request<RequestBody>, response: &'static str) -> (Response<Bytes>, String) {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(Script::new().read_request().write(response).hang());
    let layer = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).idempotent().grpc();
    let layer = layer.attempt_header(HeaderName::from_static("x-attempt"));
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let (parts, body) = send(&client, request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    assert_eq!(fixture.events(), ["call", "attempt 0", "call ok"]);
    assert!(parts.extensions.get::<RetryHistory>().is_none());
    let raw = String::from_utf8(server.log()[0].raw.clone()).unwrap();
    assert!(!raw.contains("x-attempt"), "{raw}");
    (Response::from_parts(parts, body), raw)
}

fn with_method(method: Method) -> Request<RequestBody> {
    let mut request = get("http://peer.test/a?b=c".parse().unwrap());
    *request.method_mut() = method;
    request
}

#[tokio::test(start_paused = true)]
async fn retry_layer_keeps_bodiless_answers_unchanged() {
    for (method, answer, status) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 70000\r\nx-a: 1\r\n\r\n", 200),
        (Method::GET, "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n", 204),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\nx-a: 1\r\n\r\n", 304),
    ] {
        let (response, raw) = pass_through(with_method(method.clone()), answer).await;
        assert_eq!((response.status().as_u16(), response.version()), (status, Version::HTTP_11));
        assert_eq!(response.headers()["x-a"], "1");
        assert!(response.body().is_empty());
        assert_eq!(raw, format!("{method} /a?b=c HTTP/1.1\r\nhost: peer.test\r\n\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn retry_layer_sends_expect_continue_unchanged() {
    let mut request = post("http://peer.test/".parse().unwrap(), upload("hello"));
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    let (response, raw) =
        pass_through(request, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"ok".as_slice()));
    assert!(raw.contains("expect: 100-continue\r\n") && raw.ends_with("\r\n\r\nhello"), "{raw}");
}

#[tokio::test(start_paused = true)]
async fn retry_layer_opens_upgrades_and_tunnels() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    for (method, answer) in [(Method::GET, upgrade), (Method::CONNECT, "HTTP/1.1 200 OK\r\n\r\n")] {
        let fixture = Fixture::new();
        let script = Script::new().read_request().write(answer).read_exact(4).write("pong").hang();
        let (_server, connector) = ScriptedServer::duplex(script);
        let client = fixture.stack(fixture.outbound.connector(connector), &fixture.layer());
        let mut request = with_method(method.clone());
        if method == Method::CONNECT {
            *request.uri_mut() = "http://peer.test:80".parse().unwrap();
        } else {
            request.headers_mut().insert("connection", "upgrade".parse().unwrap());
            request.headers_mut().insert("upgrade", "echo".parse().unwrap());
        }
        let response = send(&client, request).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        io.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        io.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"pong", "{method}");
    }
}

/// Sends a request that first gets `answer`. Returns the heads that the peer read, and the elapsed time.
async fn retried(answer: &str, options: impl FnOnce(RetryLayer) -> RetryLayer) -> (Vec<String>, Duration) {
    let fixture = Fixture::new();
    let script = Script::new().read_request().write(answer.to_owned()).read_request().write(OK).hang();
    let (server, connector) = ScriptedServer::duplex(script);
    let layer = options(fixture.layer().backoff(Duration::from_millis(7), Duration::from_millis(7)));
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let start = Instant::now();
    let _ = fetch(&client, get(server.uri("/"))).await.unwrap();
    (server.log()[0].heads.clone(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn retry_grpc_follows_status_and_pushback() {
    let seven = Duration::from_millis(7);
    for (extra, count, wait) in [
        ("grpc-status: 14\r\n", 2, Duration::ZERO..=seven),
        ("grpc-status: 14\r\ngrpc-retry-pushback-ms: 0\r\n", 2, Duration::ZERO..=Duration::ZERO),
        (
            "grpc-status: 14\r\ngrpc-retry-pushback-ms: 5000\r\n",
            2,
            Duration::from_secs(5)..=Duration::from_secs(5),
        ),
        ("grpc-status: 14\r\ngrpc-retry-pushback-ms: -1\r\n", 1, Duration::ZERO..=Duration::ZERO),
        ("grpc-status: 14\r\ngrpc-retry-pushback-ms: soon\r\n", 1, Duration::ZERO..=Duration::ZERO),
        ("grpc-status: 13\r\n", 1, Duration::ZERO..=Duration::ZERO),
        ("", 1, Duration::ZERO..=Duration::ZERO),
    ] {
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n{extra}content-length: 0\r\n\r\n");
        let (heads, elapsed) = retried(&answer, RetryLayer::grpc).await;
        assert_eq!(heads.len(), count, "{extra}");
        assert!(wait.contains(&elapsed), "{extra}: {elapsed:?}");
        assert_eq!(retried(&answer, |layer| layer).await.0.len(), 1, "without the option: {extra}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_attempt_header_sent_on_retries_only() {
    let name = HeaderName::from_static("grpc-previous-rpc-attempts");
    let layer = |layer: RetryLayer| layer.status([StatusCode::SERVICE_UNAVAILABLE]).attempt_header(name);
    let (heads, _) = retried(BUSY, layer).await;
    assert_eq!(
        heads,
        [
            "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
            "GET / HTTP/1.1\r\ngrpc-previous-rpc-attempts: 1\r\nhost: 127.0.0.1\r\n\r\n",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_waits_for_seconds_and_until_date() {
    for (value, date, seconds) in [
        ("3", None, 3),
        ("Sun, 06 Nov 1994 08:49:42 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"), 5),
        ("Sunday, 06-Nov-94 08:49:42 GMT", Some("Sun, 06 Nov 1994 08:49:37 GMT"), 5),
        ("Sun Nov  6 08:49:42 1994", Some("Sun, 06 Nov 1994 08:49:37 GMT"), 5),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None, 0),
    ] {
        let date = date.map_or(String::new(), |date| format!("date: {date}\r\n"));
        let answer = format!("HTTP/1.1 503 Busy\r\nretry-after: {value}\r\n{date}content-length: 0\r\n\r\n");
        let (heads, elapsed) =
            retried(&answer, |layer| layer.status([StatusCode::SERVICE_UNAVAILABLE])).await;
        assert_eq!((heads.len(), elapsed), (2, Duration::from_secs(seconds)), "{value}");
    }
}
