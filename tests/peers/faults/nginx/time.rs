//! nginx that is too slow, or paused.

use std::time::Duration;

use outbound_tests::peers::{NGINX, Nginx};
use socket2::{Domain, Socket, Type};
use tower_outbound::SendState;
use tower_outbound::timeouts::Timeouts;

use super::super::caller::{Caller, Options, endless, request};
use super::super::http::Http;
use super::{PEER, Pair, ways};
use outbound_tests::peers::checks::Check;

/// Long enough to connect and to write a request on a busy machine.
const LIMIT: Duration = Duration::from_millis(700);
const SERVER: &str = "client_max_body_size 0; location = /warm { return 200 'hello'; } \
     location = /slow-head { limit_rate 10; alias html/slow; } \
     location = /slow-body { limit_rate 10; limit_rate_after 400; alias html/slow; } \
     location / { return 200 'hello'; }";

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("sends_a_head_too_slowly", NGINX, slow_head),
        Check::new("sends_a_body_too_slowly", NGINX, slow_body),
        Check::new("paused_does_not_answer", NGINX, no_answer),
        Check::new("paused_takes_no_more_of_an_upload", NGINX, slow_upload),
        Check::new("paused_with_a_full_backlog", NGINX, backlog_full),
    ]
}

async fn start(http: Http, tls: bool, limits: Timeouts) -> Pair {
    let config = Nginx::config(SERVER).file("html/slow", &"body ".repeat(1_000));
    Pair::start_config(http, tls, config, Options::limits(limits)).await
}

/// `limit_rate` of 10 bytes a second, which on HTTP/1 includes the head.
async fn slow_head() {
    for tls in [false, true] {
        let pair = start(Http::One, tls, Timeouts::new().first_byte(LIMIT)).await;
        let reported = pair.caller.get(&pair.uri("/slow-head")).await;
        reported.is(PEER, "slow-head");
        pair.end(&reported, "/slow-head", true).await;
    }
}

/// A part of the body at once, then 10 bytes a second.
async fn slow_body() {
    for (http, tls) in ways() {
        let pair = start(http, tls, Timeouts::new().body_idle(LIMIT)).await;
        let reported = pair.caller.get(&pair.uri("/slow-body")).await;
        reported.is(PEER, "slow-body");
        assert_eq!(reported.status, Some(200));
        pair.end(&reported, "/slow-body", true).await;
    }
}

async fn no_answer() {
    for (http, tls) in ways() {
        let mut pair = start(http, tls, Timeouts::new().first_byte(LIMIT)).await;
        pair.warm().await;
        pair.nginx.daemon().pause().await.unwrap();
        let reported = pair.caller.get(&pair.uri("/late")).await;
        reported.is(PEER, "no-answer");
        // A resumed nginx serves the request unless it sees at once that the client is gone.
        pair.caller.close().await;
    }
}

/// nginx reads nothing: the socket buffers or the HTTP/2 window fill up.
async fn slow_upload() {
    for (http, tls) in ways() {
        let mut pair = start(http, tls, Timeouts::new().write_idle(LIMIT)).await;
        pair.warm().await;
        pair.nginx.daemon().pause().await.unwrap();
        let reported = pair.caller.send(request(&pair.uri("/upload"), endless())).await;
        reported.is(PEER, "slow-upload");
        // hyper closes a connection after its last write has succeeded or failed.
        pair.nginx.daemon().crash().unwrap();
        pair.caller.close().await;
    }
}

/// nginx does not accept, and its backlog is full.
async fn backlog_full() {
    for http in Http::BOTH {
        let mut nginx = Nginx::config(SERVER).listen("backlog=1").start().await.unwrap();
        nginx.daemon().pause().await.unwrap();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                let _ = socket.connect(&nginx.address().into());
                socket
            })
            .collect();
        let caller = Caller::new(http, Options { connect: Some(LIMIT), ..Options::new() });
        let reported = caller.get(&format!("http://{}/full", nginx.address()).parse().unwrap()).await;
        reported.is(PEER, "connect-backlog-full");
        assert_eq!(reported.send(), Some(SendState::NotSent));
        caller.close().await;
        drop(waiting);
        nginx.daemon().end().await.unwrap();
        reported.logged(nginx.log().iter().any(|access| access.request.contains("/full")), false);
    }
}
