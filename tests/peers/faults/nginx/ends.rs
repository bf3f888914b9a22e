//! Connections that nginx closes, or that end with nginx.

use std::time::Duration;

use bytes::Bytes;
use outbound_tests::peers::{NGINX, Nginx};
use tower_outbound::SendState;

use super::super::caller::{Options, fed, request, until};
use super::super::http::Http;
use super::{PEER, Pair, ways};
use outbound_tests::peers::checks::Check;

/// The size of the first piece of an upload: more than nginx reads with the head.
const PIECE: usize = 64 << 10;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("closes_without_an_answer", NGINX, closes),
        Check::new("resets_without_an_answer", NGINX, resets),
        Check::new("resets_amid_an_upload", NGINX, resets_uploads),
        Check::new("killed_amid_an_upload", NGINX, killed_amid_upload),
        Check::new("killed_before_it_has_read_a_request", NGINX, killed_before_reading),
        Check::new("killed_before_it_has_accepted", NGINX, killed_before_accepting),
        Check::new("killed_amid_a_body", NGINX, killed_amid_body),
        Check::new("killed_amid_a_body_and_an_upload", NGINX, killed_amid_both),
        Check::new("killed_refuses", NGINX, refuses),
    ]
}

/// 444: nginx closes the connection; on HTTP/2 it resets the stream.
async fn closes() {
    for (http, tls) in ways() {
        let pair = Pair::start(http, tls, "location = /cut { return 444; }", Options::new()).await;
        let reported = pair.caller.get(&pair.uri("/cut")).await;
        reported.is(PEER, if http == Http::One { "fin-after-request" } else { "rst-after-request" });
        pair.end(&reported, "/cut", true).await;
    }
}

/// 444 with `reset_timedout_connection`: nginx resets the connection.
async fn resets() {
    let server = "reset_timedout_connection on; location = /cut { return 444; }";
    for tls in [false, true] {
        let pair = Pair::start(Http::One, tls, server, Options::new()).await;
        let reported = pair.caller.get(&pair.uri("/cut")).await;
        reported.is(PEER, "reset-after-request");
        pair.end(&reported, "/cut", true).await;
    }
}

async fn resets_uploads() {
    let server = "reset_timedout_connection on; client_max_body_size 0; location = /cut { return 444; }";
    for (http, tls) in ways() {
        let pair = Pair::start(http, tls, server, Options::new()).await;
        let reported = pair.caller.upload(&pair.uri("/cut"), PIECE).await;
        reported.is(PEER, if http == Http::One { "reset-mid-request-body" } else { "rst-mid-request-body" });
        pair.end(&reported, "/cut", true).await;
    }
}

/// Answers `/warm`, reads the whole body of `/read`, and sends the body of `/slow` slowly.
const SERVER: &str = "client_max_body_size 0; client_body_buffer_size 32m; \
     location = /warm { return 200 'hello'; } \
     location = /read { proxy_pass http://127.0.0.1:9; } \
     location = /slow { limit_rate 100; error_page 405 =200 /slow; alias html/slow; }";

/// The bound of nginx's reads.
const READ_WITHIN: Duration = Duration::from_secs(10);

async fn serving(http: Http, tls: bool) -> Pair {
    let config = Nginx::config(SERVER).file("html/slow", &"body ".repeat(1_000));
    Pair::start_config(http, tls, config, Options::new()).await
}

/// nginx is killed when nothing of the upload is unread: the system sends FIN.
async fn killed_amid_upload() {
    for (http, tls) in ways() {
        let mut pair = serving(http, tls).await;
        let uri = pair.uri("/read");
        let (caller, daemon) = (&pair.caller, pair.nginx.daemon());
        let kill = async {
            until(|| caller.written() >= 1_000).await;
            assert!(daemon.has_read_all(READ_WITHIN).await);
            daemon.crash().unwrap();
        };
        let (reported, ()) = tokio::join!(caller.upload(&uri, 1_000), kill);
        reported.is(PEER, "fin-mid-request-body");
        pair.end(&reported, "/read", false).await;
    }
}

/// nginx is killed with an unread request: the system sends RST. The request counts as sent.
async fn killed_before_reading() {
    for (http, tls) in ways() {
        let mut pair = serving(http, tls).await;
        pair.warm().await;
        let uri = pair.uri("/unread");
        let (caller, daemon) = (&pair.caller, pair.nginx.daemon());
        assert!(daemon.has_read_all(READ_WITHIN).await);
        daemon.pause().await.unwrap();
        let before = caller.written();
        let kill = async {
            until(|| caller.written() > before).await;
            daemon.crash().unwrap();
        };
        let (reported, ()) = tokio::join!(caller.get(&uri), kill);
        reported.is(PEER, "reset-after-request");
        assert_eq!(reported.send().map(SendState::as_str), Some(whole(http)), "{}", reported.line());
        pair.end(&reported, "/unread", false).await;
    }
}

/// The send state of a request that was written whole.
fn whole(http: Http) -> &'static str {
    if http == Http::One { "sent" } else { "unknown" }
}

/// nginx is killed before it accepts: the system resets the connections in the backlog.
async fn killed_before_accepting() {
    for http in Http::BOTH {
        let mut pair = serving(http, false).await;
        let uri = pair.uri("/unread");
        let (caller, daemon) = (&pair.caller, pair.nginx.daemon());
        daemon.pause().await.unwrap();
        let kill = async {
            until(|| caller.written() > 0).await;
            daemon.crash().unwrap();
        };
        let (reported, ()) = tokio::join!(caller.get(&uri), kill);
        reported.is(PEER, "reset-at-accept");
        pair.end(&reported, "/unread", false).await;
    }
}

/// nginx is killed within a response body, with nothing unread.
async fn killed_amid_body() {
    for (http, tls) in ways() {
        let mut pair = serving(http, tls).await;
        pair.warm().await;
        let uri = pair.uri("/slow");
        let (caller, daemon) = (&pair.caller, pair.nginx.daemon());
        let before = caller.read();
        let kill = async {
            until(|| caller.read() > before + 250).await;
            assert!(daemon.has_read_all(READ_WITHIN).await);
            daemon.crash().unwrap();
        };
        let (reported, ()) = tokio::join!(caller.get(&uri), kill);
        assert_eq!(reported.status, Some(200));
        reported.is(PEER, "fin-mid-body");
        pair.end(&reported, "/slow", false).await;
    }
}

/// nginx is killed within a response body, with a part of the request's body unread.
async fn killed_amid_both() {
    for tls in [false, true] {
        let mut pair = serving(Http::One, tls).await;
        let uri = pair.uri("/slow");
        let (caller, daemon) = (&pair.caller, pair.nginx.daemon());
        let (more, body) = fed();
        let kill = async {
            until(|| caller.read() > 250).await;
            daemon.pause().await.unwrap();
            let before = caller.written();
            more.send(Bytes::from_static(&[b'u'; 1_000])).unwrap();
            until(|| caller.written() > before).await;
            daemon.crash().unwrap();
        };
        let (reported, ()) = tokio::join!(caller.send(request(&uri, body)), kill);
        assert_eq!(reported.status, Some(200));
        // As `reset-mid-body`, with an upload that was sent in part.
        reported.is(PEER, "early-response-then-reset").has("connection_reset", "connection_reset", "body");
        pair.end(&reported, "/slow", false).await;
    }
}

async fn refuses() {
    for (http, tls) in ways() {
        let mut pair = serving(http, tls).await;
        pair.nginx.daemon().crash().unwrap();
        let reported = pair.caller.get(&pair.uri("/refused")).await;
        reported.is(PEER, "connect-refused");
        assert_eq!(reported.send(), Some(SendState::NotSent));
        pair.end(&reported, "/refused", false).await;
    }
}
