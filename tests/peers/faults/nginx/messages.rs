//! Invalid and unusual responses of nginx.

use http::Request;
use outbound_tests::peers::{NGINX, Nginx};
use tower_outbound::SendState;

use super::super::caller::{Caller, Options, empty};
use super::super::http::Http;
use super::{LONG, PEER, Pair, long, paused, ways};
use outbound_tests::peers::checks::Check;

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

/// One request for `/odd`, whose body has 5 bytes. Without further directives the response has no length.
async fn odd(directives: &str, slug_of: impl Fn(Http) -> Option<&'static str>) {
    for (http, tls) in ways() {
        let Some(slug) = slug_of(http) else { continue };
        // With server-side includes nginx sends no length.
        let server = format!("location = /odd {{ ssi on; ssi_types *; {directives} alias html/odd; }}");
        let config = Nginx::config(&server).file("html/odd", "hello");
        let pair = Pair::start_config(http, tls, config, Options::new()).await;
        let reported = pair.caller.get(&pair.uri("/odd")).await;
        reported.is(PEER, slug);
        pair.end(&reported, "/odd", true).await;
    }
}

/// More than 100 fields on HTTP/1, more than 16 KiB on HTTP/2: in three frames, or in more than h2 reads.
async fn large_head() {
    for length in [400, 2_000] {
        let field = |number| format!("add_header x-{number} {}; ", "v".repeat(length));
        let fields: String = (0..120).map(field).collect();
        odd(&fields, |_| Some("head-too-large")).await;
    }
}

/// For a head in up to two frames, h2 resets the stream as for a protocol error: the two are indistinguishable.
async fn somewhat_large_head() {
    let fields: String =
        (0..120).map(|number| format!("add_header x-{number} {}; ", "v".repeat(200))).collect();
    let server = format!("location = /odd {{ {fields} return 200; }}");
    let pair = Pair::start(Http::Two, false, &server, Options::new()).await;
    let reported = pair.caller.get(&pair.uri("/odd")).await;
    reported.is(PEER, "head-too-large");
    pair.end(&reported, "/odd", true).await;
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

/// nginx closes after a short body. On HTTP/2 this is the same protocol error as a body that is too long.
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
    let reported = caller.get(&format!("http://{}/", nginx.address()).parse().unwrap()).await;
    reported.is(PEER, "not-http");
    assert_eq!(reported.send(), Some(SendState::Sent));
    caller.close().await;
}

/// nginx is paused until the request is written: its response to the preface may be faster.
async fn http_1_to_http_2() {
    let mut pair = Pair::start(Http::One, false, "location / { return 200 'hello'; }", Options::new()).await;
    pair.caller = Caller::plain(Http::Two);
    let uri = pair.uri("/");
    let reported = paused(&mut pair, LONG, async |caller| long(caller, &uri).await).await;
    reported.is(PEER, "not-http");
    pair.caller.close().await;
}

async fn switches() {
    for tls in [false, true] {
        let pair = Pair::start(Http::One, tls, "location = /odd { return 101; }", Options::new()).await;
        let reported = pair.caller.get(&pair.uri("/odd")).await;
        reported.is(PEER, "unexpected-101");
        assert_eq!(reported.status, Some(101));
        pair.end(&reported, "/odd", true).await;
    }
}

/// `client_max_body_size`: the response is complete while the upload goes on.
async fn early() {
    for (http, tls) in ways() {
        let server = "client_max_body_size 1k; location = /odd { alias html/odd; }";
        let pair = Pair::start(http, tls, server, Options::new()).await;
        let reported = pair.caller.upload(&pair.uri("/odd"), 1_000).await;
        reported.is(PEER, "early-response");
        assert_eq!(reported.status, Some(413));
        assert!(reported.attempt.answered_early());
        pair.end(&reported, "/odd", true).await;
    }
}

/// 400 on both versions: a response, not a failure.
async fn large_request_head() {
    let server = "large_client_header_buffers 2 1k; location = /odd { return 200 'hello'; }";
    let pair = Pair::start(Http::One, false, server, Options::new()).await;
    let request = Request::get(pair.uri("/odd")).header("x-large", "v".repeat(3_000)).body(empty()).unwrap();
    let reported = pair.caller.send(request).await;
    reported.has("ok", "–", "–");
    assert_eq!(reported.status, Some(400));
    pair.end(&reported, "/odd", true).await;
}

/// `limit_req`: a response, not a failure.
async fn too_many() {
    let config = Nginx::config("location / { limit_req zone=one; alias html/; }")
        .http("limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m; limit_req_status 429;")
        .file("html/warm", "hello");
    let pair = Pair::start_config(Http::One, false, config, Options::new()).await;
    pair.warm().await;
    let reported = pair.caller.get(&pair.uri("/odd")).await;
    reported.has("ok", "–", "–");
    assert_eq!(reported.status, Some(429));
    pair.end(&reported, "/odd", true).await;
}
