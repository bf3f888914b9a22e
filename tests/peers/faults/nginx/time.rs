//! nginx that is too slow, or stopped.

use std::time::Duration;

use outbound_tests::peers::{NGINX, Nginx};
use socket2::{Domain, Socket, Type};
use tower_outbound::SendState;
use tower_outbound::timeouts::Timeouts;

use super::super::caller::{Caller, Options, endless, request};
use super::super::http::Http;
use super::{PEER, Pair, ways};
use crate::runner::Check;

/// Long enough for a connection on a machine that is busy, and for a request to be written.
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

/// `limit_rate` holds for the head too, but not on HTTP/2: 10 bytes a second.
async fn slow_head() {
    for tls in [false, true] {
        let pair = start(Http::One, tls, Timeouts::new().first_byte(LIMIT)).await;
        let told = pair.caller.get(&pair.uri("/slow-head")).await;
        told.is(PEER, "slow-head");
        pair.end(&told, "/slow-head", true).await;
    }
}

/// Some of the body, and then 10 bytes a second.
async fn slow_body() {
    for (http, tls) in ways() {
        let pair = start(http, tls, Timeouts::new().body_idle(LIMIT)).await;
        let told = pair.caller.get(&pair.uri("/slow-body")).await;
        told.is(PEER, "slow-body");
        assert_eq!(told.status, Some(200));
        pair.end(&told, "/slow-body", true).await;
    }
}

async fn no_answer() {
    for (http, tls) in ways() {
        let mut pair = start(http, tls, Timeouts::new().first_byte(LIMIT)).await;
        pair.warm().await;
        pair.nginx.daemon().pause().await.unwrap();
        let told = pair.caller.get(&pair.uri("/late")).await;
        told.is(PEER, "no-answer");
        // It serves what is in its queue when it goes on, unless it sees at once that the client is gone.
        pair.caller.close().await;
    }
}

/// Nothing is read: the system's buffers fill up, or the window of HTTP/2.
async fn slow_upload() {
    for (http, tls) in ways() {
        let mut pair = start(http, tls, Timeouts::new().write_idle(LIMIT)).await;
        pair.warm().await;
        pair.nginx.daemon().pause().await.unwrap();
        let told = pair.caller.send(request(&pair.uri("/upload"), endless())).await;
        told.is(PEER, "slow-upload");
        // hyper closes a connection when what it has to write is written, or cannot be.
        pair.nginx.daemon().crash().unwrap();
        pair.caller.close().await;
    }
}

/// Nobody accepts, and the queue of those who wait is full.
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
        let told = caller.get(&format!("http://{}/full", nginx.address()).parse().unwrap()).await;
        told.is(PEER, "connect-backlog-full");
        assert_eq!(told.send(), Some(SendState::NotSent));
        caller.close().await;
        drop(waiting);
        nginx.daemon().end().await.unwrap();
        told.logged(nginx.log().iter().any(|access| access.request.contains("/full")), false);
    }
}
