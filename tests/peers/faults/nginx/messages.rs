//! What nginx can be made to send that is no proper answer.

use http::Request;
use outbound_tests::peers::{NGINX, Nginx};
use tower_outbound::SendState;

use super::super::caller::{Caller, Options, empty};
use super::super::http::Http;
use super::{LONG, PEER, Pair, long, paused, ways};
use crate::runner::Check;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("sends_a_head_that_is_too_large", NGINX, large_head),
        Check::new("sends_a_head_that_is_reported_as_protocol_error", NGINX, somewhat_large_head),
        Check::new("sends_two_content_lengths", NGINX, two_content_lengths),
        Check::new("sends_a_content_length_that_is_no_number", NGINX, bad_content_length),
        Check::new("sends_more_than_the_content_length", NGINX, longer_body),
        Check::new("sends_less_than_the_content_length", NGINX, shorter_body),
        Check::new("sends_a_bad_chunk", NGINX, bad_chunk),
        Check::new("speaks_http2_to_a_client_of_http1", NGINX, http_2_to_http_1),
        Check::new("speaks_http1_to_a_client_of_http2", NGINX, http_1_to_http_2),
        Check::new("switches_protocols_unasked", NGINX, switches),
        Check::new("answers_413_before_the_upload_is_whole", NGINX, early),
        Check::new("refuses_a_large_request_head_by_an_answer", NGINX, large_request_head),
        Check::new("answers_429_over_its_limit", NGINX, too_many),
    ]
}

/// One request for `/odd`, which has a body of 5 bytes without a length unless the directives say one.
async fn odd(directives: &str, slug_of: impl Fn(Http) -> Option<&'static str>) {
    for (http, tls) in ways() {
        let Some(slug) = slug_of(http) else { continue };
        // Server-side includes change the length, so nginx says none.
        let server = format!("location = /odd {{ ssi on; ssi_types *; {directives} alias html/odd; }}");
        let config = Nginx::config(&server).file("html/odd", "hello");
        let pair = Pair::start_config(http, tls, config, Options::new()).await;
        let told = pair.caller.get(&pair.uri("/odd")).await;
        told.is(PEER, slug);
        pair.end(&told, "/odd", true).await;
    }
}

/// More than 100 fields on HTTP/1; on HTTP/2 more than 16 KiB: in three frames, or more than h2 reads at all.
async fn large_head() {
    for length in [400, 2_000] {
        let field = |number| format!("add_header x-{number} {}; ", "v".repeat(length));
        let fields: String = (0..120).map(field).collect();
        odd(&fields, |_| Some("head-too-large")).await;
    }
}

/// In up to two frames h2 resets the stream for it as for a breach of the protocol: nobody can tell them apart.
async fn somewhat_large_head() {
    let fields: String =
        (0..120).map(|number| format!("add_header x-{number} {}; ", "v".repeat(200))).collect();
    let server = format!("location = /odd {{ {fields} return 200; }}");
    let pair = Pair::start(Http::Two, false, &server, Options::new()).await;
    let told = pair.caller.get(&pair.uri("/odd")).await;
    told.is(PEER, "head-too-large");
    pair.end(&told, "/odd", true).await;
}

async fn two_content_lengths() {
    let directives =
        "chunked_transfer_encoding off; add_header content-length 5; add_header content-length 6;";
    odd(directives, |_| Some("two-content-lengths")).await;
}

async fn bad_content_length() {
    odd("chunked_transfer_encoding off; add_header content-length five;", |_| Some("bad-content-length"))
        .await;
}

async fn longer_body() {
    let slug = "body-longer-than-content-length";
    odd("chunked_transfer_encoding off; add_header content-length 3;", |_| Some(slug)).await;
}

/// And closes then. On HTTP/2 it is the same breach of the protocol as a body that is too long.
async fn shorter_body() {
    let slug_of = |http| match http {
        Http::One => Some("fin-mid-body"),
        Http::Two => Some("body-longer-than-content-length"),
    };
    odd("chunked_transfer_encoding off; add_header content-length 9;", slug_of).await;
}

async fn bad_chunk() {
    let directives = "chunked_transfer_encoding off; add_header transfer-encoding chunked;";
    odd(directives, |http| (http == Http::One).then_some("bad-chunk")).await;
}

async fn http_2_to_http_1() {
    let nginx = Nginx::config("location / { return 200 'hello'; }").listen("http2").start().await.unwrap();
    let caller = Caller::plain(Http::One);
    let told = caller.get(&format!("http://{}/", nginx.address()).parse().unwrap()).await;
    told.is(PEER, "not-http");
    assert_eq!(told.send(), Some(SendState::Sent));
    caller.close().await;
}

/// Paused until the request is there, as the answer to what comes before may be faster.
async fn http_1_to_http_2() {
    let mut pair = Pair::start(Http::One, false, "location / { return 200 'hello'; }", Options::new()).await;
    pair.caller = Caller::plain(Http::Two);
    let uri = pair.uri("/");
    let told = paused(&mut pair, LONG, async |caller| long(caller, &uri).await).await;
    told.is(PEER, "not-http");
    pair.caller.close().await;
}

async fn switches() {
    for tls in [false, true] {
        let pair = Pair::start(Http::One, tls, "location = /odd { return 101; }", Options::new()).await;
        let told = pair.caller.get(&pair.uri("/odd")).await;
        told.is(PEER, "unexpected-101");
        assert_eq!(told.status, Some(101));
        pair.end(&told, "/odd", true).await;
    }
}

/// `client_max_body_size`: the answer is whole while the upload goes on.
async fn early() {
    for (http, tls) in ways() {
        let server = "client_max_body_size 1k; location = /odd { alias html/odd; }";
        let pair = Pair::start(http, tls, server, Options::new()).await;
        let told = pair.caller.upload(&pair.uri("/odd"), 1_000).await;
        told.is(PEER, "early-response");
        assert_eq!(told.status, Some(413));
        assert!(told.attempt.answered_early());
        pair.end(&told, "/odd", true).await;
    }
}

/// 400 on both versions: an answer, and no failure.
async fn large_request_head() {
    let server = "large_client_header_buffers 2 1k; location = /odd { return 200 'hello'; }";
    let pair = Pair::start(Http::One, false, server, Options::new()).await;
    let request = Request::get(pair.uri("/odd")).header("x-large", "v".repeat(3_000)).body(empty()).unwrap();
    let told = pair.caller.send(request).await;
    told.has("ok", "–", "–");
    assert_eq!(told.status, Some(400));
    pair.end(&told, "/odd", true).await;
}

/// `limit_req`: an answer, and no failure.
async fn too_many() {
    let config = Nginx::config("location / { limit_req zone=one; alias html/; }")
        .http("limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req_status 429;")
        .file("html/warm", "hello");
    let pair = Pair::start_config(Http::One, false, config, Options::new()).await;
    pair.warm().await;
    let told = pair.caller.get(&pair.uri("/odd")).await;
    told.has("ok", "–", "–");
    assert_eq!(told.status, Some(429));
    pair.end(&told, "/odd", true).await;
}
