//! Failures of reqwest: kind, phase and send state.

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Failure, Kind, Outbound, Phase, SendState, Timings};

use super::{Hosts, builder, client};
use crate::support::{Body, recorded};

fn stack(options: impl FnOnce(OutboundBuilder) -> OutboundBuilder) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).retry(|retry| retry.max_retries(0));
    (options(outbound).build(), recorder)
}

#[tokio::test]
async fn reqwest_failed_connect_fails_setup_in_its_phase() {
    let port = closed_port().unwrap().port();
    for (uri, expected) in [
        // Only the resolver is timed, so the phase of a later failure is unknown.
        (format!("http://peer.test:{port}/"), "connection_refused in acquire"),
        (format!("https://peer.test:{port}/"), "connection_refused in acquire"),
        ("http://unknown.test/".to_owned(), "name_resolution_error in dns"),
    ] {
        let (outbound, recorder) = stack(|options| options);
        let request = secret::request(&uri.parse().unwrap(), Body::from("upload"));
        let error = client(&outbound).request(request).await.map(drop).unwrap_err();
        assert!(!secret::is_in(&format!("{error} {error:?}")));
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
        assert_eq!(recorder.outcomes(), [expected]);
        assert_eq!(recorder.count("connect_failed"), 1);
        recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reqwest_timeout_during_connect_is_not_sent() {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts::new().attempt(second);
    for (ours, theirs) in [(Timeouts::new(), Some(second)), (timeouts, None)] {
        let (outbound, recorder) = stack(|options| options.timeouts(ours).connect_timeout(60 * second));
        let hosts = Hosts::waiting(|_| Some(Gate::new()));
        let builder = match theirs {
            Some(timeout) => builder().timeout(timeout),
            None => builder(),
        };
        let client = outbound.reqwest_with_resolver(builder, hosts).unwrap();
        let request = Request::post("http://peer.test/").body(Body::from("upload")).unwrap();
        let error = client.request(request).await.map(drop).unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent), "{error:?}");
        recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reqwest_connect_timeout_of_stack_and_of_builder_apply() {
    let never = || Hosts::waiting(|_| Some(Gate::new()));
    let second = Duration::from_secs(1);
    for (ours, theirs, ended) in [(1, 9, "connect_failed"), (9, 1, "connect_cancelled")] {
        let (outbound, recorder) = stack(|options| options.connect_timeout(ours * second));
        let builder = builder().connect_timeout(theirs * second);
        let client = outbound.reqwest_with_resolver(builder, never()).unwrap();
        let start = tokio::time::Instant::now();
        let request = Request::get("http://peer.test/").body(Body::default()).unwrap();
        let error = client.request(request).await.map(drop).unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ConnectTimeout);
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
        assert!(start.elapsed() < 2 * second);
        assert_eq!(recorder.count(ended), 1);
        recorder.settled().await;
    }
}

#[tokio::test]
async fn reqwest_timeout_is_response_timeout() {
    let server = ScriptedServer::tcp(Script::new().read_request().hang()).await.unwrap();
    let (outbound, recorder) = stack(|options| options);
    let client = client(&outbound);
    let request = client.get_ref().get(server.uri("/").to_string()).timeout(Duration::from_secs(100));
    let request = request.build().unwrap();
    let sending = tokio::spawn(async move { client.execute(request).await.map(drop).unwrap_err() });
    server.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    tokio::time::pause();
    let error = sending.await.unwrap();
    assert_eq!((error.failure().kind(), error.failure().phase()), (Kind::ResponseTimeout, Some(Phase::Wait)));
    assert_eq!(error.failure().send_state(), Some(SendState::Unknown));
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_endless_redirects_fail_without_retry() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n";
    let server = ScriptedServer::tcp(Script::answering(redirect)).await.unwrap();
    let (outbound, recorder) = recorded();
    let builder = builder().redirect(reqwest::redirect::Policy::limited(3));
    let client = outbound.reqwest_with_resolver(builder, Hosts::loopback()).unwrap();
    let request = Request::get(server.uri("/")).body(Body::default()).unwrap();
    let mut error = client.request(request).await.map(drop).unwrap_err();
    assert_eq!(error.failure().send_state(), Some(SendState::Unknown));
    assert!(error.history().is_empty() && error.take_request::<reqwest::Body>().is_none());
    assert_eq!(server.requests(), 4);
    let source = error.into_source().unwrap();
    assert!(source.downcast_ref::<reqwest::Error>().unwrap().is_redirect());
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_invalid_request_error_redacts_secrets() {
    let (outbound, recorder) = recorded();
    let uri = http::Uri::from_static("/relative?sig=s3cr3t-marker");
    let request = Request::get(uri).body(Body::default()).unwrap();
    let error = client(&outbound).request(request).await.map(drop).unwrap_err();
    assert_eq!(error.failure().kind(), Kind::InvalidRequest);
    assert!(!secret::is_in(&format!("{error} {error:?}")));
    assert!(error.history().is_empty());
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_dropped_body_ends_attempt() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nans";
    let server = ScriptedServer::tcp(Script::new().read_request().write(head).hang()).await.unwrap();
    let (outbound, recorder) = recorded();
    let request = secret::request(&server.uri("/"), Body::default());
    let response = client(&outbound).request(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    assert!(!timings.is_complete());
    drop(body);
    assert!(timings.is_complete());
    assert_eq!(recorder.outcomes(), ["cancelled in body"]);
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_cut_off_body_fails_in_phase_body() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nans";
    let server = ScriptedServer::tcp(Script::new().read_request().write(head).close()).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    let request = client.get_ref().get(server.uri("/").to_string()).build().unwrap();
    let error = client.execute(request).await.unwrap().text().await.unwrap_err();
    let failure = Failure::of(&error);
    assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseEnded, Some(Phase::Body)));
    assert_eq!(recorder.outcomes(), ["response_ended in body"]);
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_body_timeout_does_not_claim_silent_connection() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nans";
    let server = ScriptedServer::tcp(Script::new().read_request().write(head).hang()).await.unwrap();
    let limits = Timeouts::new().body_idle(Duration::from_secs(100));
    let (outbound, recorder) = stack(|options| options.timeouts(limits));
    let request = Request::get(server.uri("/")).body(Body::default()).unwrap();
    let response = client(&outbound).request(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    tokio::time::pause();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.failure().kind(), Kind::BodyTimeout);
    assert!(timings.connection().is_some() && !timings.attempt().connection_was_silent());
    recorder.settled().await;
}
