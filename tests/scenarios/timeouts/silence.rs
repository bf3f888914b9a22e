//! Requests to which a peer may be silent for long.

use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};
use outbound_tests::server::{Script, ScriptedServer};
use tokio::io::AsyncReadExt as _;
use tower_outbound::RequestExt as _;
use tower_outbound::timeouts::{TimeoutKind, Timeouts};

use super::http2::{data, ok, settings};
use super::*;

const TEN_MINUTES: Duration = Duration::from_secs(600);
const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\r\n";

/// A request to which the peer may be silent, by its head or mark.
fn quiet(server: &ScriptedServer) -> Vec<Request<Upload>> {
    let with = |name, value| {
        let mut request = get(server);
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        request
    };
    vec![
        with(CONTENT_TYPE, "application/grpc+proto"),
        with(ACCEPT, "application/json, Text/Event-Stream;q=0.9"),
        get(server).streaming(),
    ]
}

#[tokio::test(start_paused = true)]
async fn silence_of_ten_minutes_is_kept_where_normal() {
    let slow =
        Script::new().read_request().sleep(TEN_MINUTES).write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
    let slow = slow.sleep(TEN_MINUTES).write("da").sleep(TEN_MINUTES).write("ta");
    let (server, peer) = ScriptedServer::duplex(slow.repeat());
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), false);
    for request in quiet(&server) {
        let what = format!("{:?}", request.headers());
        assert_eq!(succeed(&client, request).await, 3 * TEN_MINUTES, "{what}");
    }
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn silence_of_ten_minutes_on_http2_is_kept_for_grpc() {
    let slow = Script::new().write(settings()).sleep(TEN_MINUTES).write(ok(1, false));
    let slow =
        slow.sleep(TEN_MINUTES).write(data(1, b"da", false)).sleep(TEN_MINUTES).write(data(1, b"ta", true));
    let (server, peer) = ScriptedServer::duplex(slow.hang());
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), true);
    let grpc = quiet(&server).swap_remove(0);
    assert_eq!(succeed(&client, grpc).await, 3 * TEN_MINUTES);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn silence_in_event_stream_is_kept_by_content_type() {
    let script = Script::new().read_request().write(EVENTS).sleep(TEN_MINUTES).write("data: x\n\n");
    let (server, peer) = ScriptedServer::duplex(script.sleep(TEN_MINUTES).close());
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), false);
    assert_eq!(succeed(&client, get(&server)).await, 2 * TEN_MINUTES);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn silence_after_upgrade_is_kept() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    for (method, head) in [(http::Method::GET, upgrade), (http::Method::CONNECT, "HTTP/1.1 200 OK\r\n\r\n")] {
        let script = Script::new().read_request().write(head).sleep(TEN_MINUTES).write("ping").hang();
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let mut request = get(&server);
        if method == http::Method::CONNECT {
            *request.uri_mut() = "http://peer.test:80".parse().unwrap();
        } else {
            request.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
            request.headers_mut().insert("upgrade", HeaderValue::from_static("echo"));
        }
        *request.method_mut() = method;
        let response = send(&client, request).await.unwrap();
        let mut io = hyper_util::rt::TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let (start, mut ping) = (Instant::now(), [0; 4]);
        io.read_exact(&mut ping).await.unwrap();
        assert_eq!((&ping, start.elapsed()), (b"ping", TEN_MINUTES));
        drop((io, client, outbound, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_by_timeouts_that_are_set() {
    let set = Timeouts::new().first_byte(SECOND).body_idle(2 * SECOND);
    for (script, kind, timeout) in [
        (Script::new().read_request().hang(), TimeoutKind::FirstByte, SECOND),
        (Script::new().read_request().write(EVENTS).hang(), TimeoutKind::BodyIdle, 2 * SECOND),
    ] {
        for by_request in [false, true] {
            let (server, peer) = ScriptedServer::duplex(script.clone());
            let (outbound, recorder) = with(if by_request { Timeouts::new() } else { set });
            let client = stack(&outbound, outbound.connector(peer), false);
            for mut request in quiet(&server) {
                if by_request {
                    request = request.timeouts(set);
                }
                let (error, took) = fail(&client, request).await;
                assert_eq!(took, timeout);
                check(&error, kind, timeout);
            }
            drop((client, outbound, server));
            nothing_left(&recorder).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn silence_does_not_excuse_peer_that_reads_nothing() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_head().hang());
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), false);
    let request = post(&server, frames(1, 2_000_000, Duration::ZERO)).streaming();
    let (error, took) = fail(&client, request).await;
    check(&error, TimeoutKind::WriteIdle, 60 * SECOND);
    assert_eq!(took, 60 * SECOND);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}
