//! nginx on HTTP/2: refused streams, and GOAWAY.

use futures_util::future::join_all;
use http::Request;
use outbound_tests::peers::{Access, NGINX, Nginx};
use tower_outbound::SendState;

use super::super::caller::{Options, Reported, empty};
use super::super::http::Http;
use super::{PEER, Pair, paused};
use outbound_tests::peers::checks::Check;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("goes_away_amid_requests", NGINX, goes_away),
        Check::new("goes_away_with_an_error_amid_requests", NGINX, goes_away_with_an_error),
        Check::new("goes_away_after_every_second_request", NGINX, goes_away_again_and_again),
        Check::new("refuses_streams_over_its_limit", NGINX, refuses_streams),
        Check::new("refuses_an_upload_before_its_settings_are_known", NGINX, refuses_an_upload),
    ]
}

/// The number of requests that are sent at once.
const AT_ONCE: usize = 4;
/// The length of a field whose value repeats one digit, another for each request: HPACK does not index it.
const PAD: usize = 1_000;
/// Its length on the wire: HPACK encodes a digit in 5 bits.
const WRITTEN: u64 = 600;

/// Sends requests for `/at-once/0` and so on while nginx is paused; nginx then reads them all at once.
async fn at_once(pair: &mut Pair, pads: [usize; AT_ONCE]) -> Vec<Reported> {
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

/// Returns the failed requests and the number of the others. The log must have the answered requests only.
async fn failed(mut pair: Pair, reported: &[Reported]) -> (Vec<&Reported>, usize) {
    pair.caller.close().await;
    pair.nginx.daemon().end().await.unwrap();
    for (number, reported) in reported.iter().enumerate() {
        let path = format!("/at-once/{number} ");
        let served = |access: &Access| access.request.contains(&path) && access.status == 200;
        reported.logged(pair.nginx.log().iter().any(served), reported.failure.is_none());
    }
    let failed: Vec<_> = reported.iter().filter(|reported| reported.failure.is_some()).collect();
    let answered = reported.len() - failed.len();
    (failed, answered)
}

/// Sends one request after another. hyper may fail a request that the GOAWAY includes. A request reported as not
/// processed or not sent must not be in the log in any case.
async fn goes_away_again_and_again() {
    const REQUESTS: usize = 300;
    for tls in [false, true] {
        let server = "keepalive_requests 2; location / { return 200 'hello'; }";
        let mut pair = Pair::start(Http::Two, tls, server, Options::new()).await;
        let mut reported = Vec::new();
        for number in 0..REQUESTS {
            reported.push(pair.caller.get(&pair.uri(&format!("/again/{number}"))).await);
        }
        pair.caller.close().await;
        pair.nginx.daemon().end().await.unwrap();
        let log = pair.nginx.log();
        for (number, reported) in reported.iter().enumerate() {
            let path = format!("/again/{number} ");
            let processed = log.iter().any(|access| access.request.contains(&path));
            match reported.failure.as_ref().and_then(tower_outbound::Failure::send_state) {
                None => assert!(processed, "{number} was answered"),
                Some(SendState::NotProcessed | SendState::NotSent) => {
                    assert!(!processed, "{}", reported.line());
                }
                Some(_) => {}
            }
        }
    }
}

/// `keepalive_requests`: two more requests are answered, later ones meet the GOAWAY.
async fn goes_away() {
    for tls in [false, true] {
        let server = "keepalive_requests 3; location / { return 200 'hello'; }";
        let mut pair = Pair::start(Http::Two, tls, server, Options::new()).await;
        pair.warm().await;
        let reported = at_once(&mut pair, [PAD; AT_ONCE]).await;
        for reported in reported.iter().filter(|reported| reported.failure.is_none()) {
            reported.is(PEER, "goaway-graceful-below-last-stream");
        }
        let (failed, answered) = failed(pair, &reported).await;
        assert_eq!((answered, failed.len()), (2, 2));
        for reported in failed {
            reported.is(PEER, "goaway-graceful");
            assert_eq!(reported.send(), Some(SendState::NotProcessed));
        }
    }
}

/// A field over `large_client_header_buffers` ends the connection; h2 reports the cause on later streams only.
async fn goes_away_with_an_error() {
    for tls in [false, true] {
        let server = "large_client_header_buffers 4 1k; location / { return 200 'hello'; }";
        let mut pair = Pair::start(Http::Two, tls, server, Options::new()).await;
        pair.warm().await;
        let reported = at_once(&mut pair, [PAD, 3 * PAD, PAD, PAD]).await;
        let (failed, answered) = failed(pair, &reported).await;
        assert_eq!((answered, failed.len()), (1, 3));
        // The GOAWAY includes this stream, so the request may have been processed.
        failed[0].is(PEER, "fin-after-request");
        assert_eq!(failed[0].send(), Some(SendState::Unknown));
        for reported in &failed[1..] {
            reported.is(PEER, "goaway-error");
            assert_eq!(reported.send(), Some(SendState::NotProcessed));
        }
    }
}

/// The requests are sent before the client knows the limit.
async fn refuses_streams() {
    // Slow, so that the first request overlaps with the second.
    let server = "location / { limit_rate 100; limit_rate_after 50; try_files /slow =404; }";
    let config = Nginx::config(server).http("http2_max_concurrent_streams 1;");
    let config = config.file("html/slow", &"body ".repeat(40));
    let mut pair = Pair::start_config(Http::Two, false, config, Options::new()).await;
    let reported = at_once(&mut pair, [PAD; AT_ONCE]).await;
    let (failed, answered) = failed(pair, &reported).await;
    assert_eq!((answered, failed.len()), (1, 3));
    for reported in failed {
        reported.is(PEER, "refused-stream");
        assert_eq!(reported.send(), Some(SendState::NotProcessed));
    }
}

/// Without `http2_body_preread_size` nginx refuses streams until the client has acknowledged its window.
async fn refuses_an_upload() {
    let config = Nginx::config("client_max_body_size 0;").http("http2_body_preread_size 0;");
    let mut pair = Pair::start_config(Http::Two, false, config, Options::new()).await;
    let uri = pair.uri("/upload");
    let reported = paused(&mut pair, PAD as u64, async |caller| caller.upload(&uri, PAD).await).await;
    reported.is(PEER, "refused-stream");
    assert_eq!(reported.send(), Some(SendState::NotProcessed));
    pair.end(&reported, "/upload", false).await;
}
