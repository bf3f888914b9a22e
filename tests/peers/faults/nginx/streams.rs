//! nginx on HTTP/2: streams that it refuses, and its `GOAWAY`.

use futures_util::future::join_all;
use http::Request;
use outbound_tests::peers::{Access, NGINX, Nginx};
use tower_outbound::SendState;

use super::super::caller::{Options, Told, empty};
use super::super::http::Http;
use super::{PEER, Pair, paused};
use crate::runner::Check;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("goes_away_amid_requests", NGINX, goes_away),
        Check::new("goes_away_with_an_error_amid_requests", NGINX, goes_away_with_an_error),
        Check::new("goes_away_after_every_second_request", NGINX, goes_away_again_and_again),
        Check::new("refuses_streams_over_its_limit", NGINX, refuses_streams),
        Check::new("refuses_an_upload_before_its_settings_are_known", NGINX, refuses_an_upload),
    ]
}

/// How many requests are sent at once.
const AT_ONCE: usize = 4;
/// A field of this length, with another digit for each request, so that each is long on the wire too.
const PAD: usize = 1_000;
/// How much is written of it: HPACK makes 5 bits of a digit.
const WRITTEN: u64 = 600;

/// Requests for `/at-once/0` and so on, which a paused nginx finds in its queue when it goes on.
async fn at_once(pair: &mut Pair, pads: [usize; AT_ONCE]) -> Vec<Told> {
    let uris = [0, 1, 2, 3].map(|number| pair.uri(&format!("/at-once/{number}")));
    let written = pads.iter().map(|pad| (pad / PAD) as u64 * WRITTEN).sum();
    paused(pair, written, async |caller| {
        let requests = uris.iter().zip(pads).enumerate().map(|(number, (uri, pad))| {
            let request = Request::get(uri).header("x-pad", number.to_string().repeat(pad));
            caller.send(request.body(empty()).unwrap())
        });
        join_all(requests).await
    })
    .await
}

/// Those that have failed, and how many have not; the log has those that were answered, and no others.
async fn failed(mut pair: Pair, told: &[Told]) -> (Vec<&Told>, usize) {
    pair.caller.close().await;
    pair.nginx.daemon().end().await.unwrap();
    for (number, told) in told.iter().enumerate() {
        let path = format!("/at-once/{number} ");
        let served = |access: &Access| access.request.contains(&path) && access.status == 200;
        told.logged(pair.nginx.log().iter().any(served), told.failure.is_none());
    }
    let failed: Vec<_> = told.iter().filter(|told| told.failure.is_some()).collect();
    let answered = told.len() - failed.len();
    (failed, answered)
}

/// One after the other, each as soon as the one before is answered. hyper may give the error of the `GOAWAY` to a
/// request that it includes: what is said to be not processed or not sent is not in the log all the same.
async fn goes_away_again_and_again() {
    const REQUESTS: usize = 300;
    for tls in [false, true] {
        let server = "keepalive_requests 2; location / { return 200 'hello'; }";
        let mut pair = Pair::start(Http::Two, tls, server, Options::new()).await;
        let mut told = Vec::new();
        for number in 0..REQUESTS {
            told.push(pair.caller.get(&pair.uri(&format!("/again/{number}"))).await);
        }
        pair.caller.close().await;
        pair.nginx.daemon().end().await.unwrap();
        let log = pair.nginx.log();
        for (number, told) in told.iter().enumerate() {
            let path = format!("/again/{number} ");
            let processed = log.iter().any(|access| access.request.contains(&path));
            match told.failure.as_ref().and_then(tower_outbound::Failure::send_state) {
                None => assert!(processed, "{number} was answered"),
                Some(SendState::NotProcessed | SendState::NotSent) => assert!(!processed, "{}", told.line()),
                Some(_) => {}
            }
        }
    }
}

/// `keepalive_requests`: two more are answered, and those after them meet the `GOAWAY`.
async fn goes_away() {
    for tls in [false, true] {
        let server = "keepalive_requests 3; location / { return 200 'hello'; }";
        let mut pair = Pair::start(Http::Two, tls, server, Options::new()).await;
        pair.warm().await;
        let told = at_once(&mut pair, [PAD; AT_ONCE]).await;
        for told in told.iter().filter(|told| told.failure.is_none()) {
            told.is(PEER, "goaway-graceful-below-last-stream");
        }
        let (failed, answered) = failed(pair, &told).await;
        assert_eq!((answered, failed.len()), (2, 2));
        for told in failed {
            told.is(PEER, "goaway-graceful");
            assert_eq!(told.send(), Some(SendState::NotProcessed));
        }
    }
}

/// A field over `large_client_header_buffers` ends the connection; h2 says only of later streams why.
async fn goes_away_with_an_error() {
    for tls in [false, true] {
        let server = "large_client_header_buffers 4 1k; location / { return 200 'hello'; }";
        let mut pair = Pair::start(Http::Two, tls, server, Options::new()).await;
        pair.warm().await;
        let told = at_once(&mut pair, [PAD, 3 * PAD, PAD, PAD]).await;
        let (failed, answered) = failed(pair, &told).await;
        assert_eq!((answered, failed.len()), (1, 3));
        // Its own number is the last that counts, so it may have been processed.
        failed[0].is(PEER, "fin-after-request");
        assert_eq!(failed[0].send(), Some(SendState::Unknown));
        for told in &failed[1..] {
            told.is(PEER, "goaway-error");
            assert_eq!(told.send(), Some(SendState::NotProcessed));
        }
    }
}

/// They are sent before the client knows the limit.
async fn refuses_streams() {
    // Slow, so that the first is not over when the second comes.
    let server = "location / { limit_rate 100; limit_rate_after 50; try_files /slow =404; }";
    let config = Nginx::config(server).http("http2_max_concurrent_streams 1;");
    let config = config.file("html/slow", &"body ".repeat(40));
    let mut pair = Pair::start_config(Http::Two, false, config, Options::new()).await;
    let told = at_once(&mut pair, [PAD; AT_ONCE]).await;
    let (failed, answered) = failed(pair, &told).await;
    assert_eq!((answered, failed.len()), (1, 3));
    for told in failed {
        told.is(PEER, "refused-stream");
        assert_eq!(told.send(), Some(SendState::NotProcessed));
    }
}

/// Without `http2_body_preread_size` nginx wants to know that the client knows its window.
async fn refuses_an_upload() {
    let config = Nginx::config("client_max_body_size 0;").http("http2_body_preread_size 0;");
    let mut pair = Pair::start_config(Http::Two, false, config, Options::new()).await;
    let uri = pair.uri("/upload");
    let told = paused(&mut pair, PAD as u64, async |caller| caller.upload(&uri, PAD).await).await;
    told.is(PEER, "refused-stream");
    assert_eq!(told.send(), Some(SendState::NotProcessed));
    pair.end(&told, "/upload", false).await;
}
