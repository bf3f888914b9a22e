//! What an application had with reqwest alone, and keeps below the layers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use h2::Reason;
use http::Response;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower_outbound::connect::ResolveError;
use tower_outbound::event::StackWarning;
use tower_outbound::failure::DnsFailure;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Event, Kind, Outbound, SendState};

use super::super::hyper_util::HTTP_1;
use super::{Hosts, builder, client};
use crate::support::recorded;

/// An HTTP/2 server that refuses the first stream of its only connection, and answers the others. Returns its URL.
async fn refusing_once() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(listener.accept().await.unwrap().0).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_reset(Reason::REFUSED_STREAM);
        while let Some(Ok((mut request, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                while let Some(Ok(data)) = request.body_mut().data().await {
                    let _ = request.body_mut().flow_control().release_capacity(data.len());
                }
                respond.send_response(Response::new(()), true).unwrap();
            });
        }
    });
    url
}

#[tokio::test]
async fn reqwest_refused_stream_is_retried_as_by_reqwest_alone() {
    // Larger than the replay buffer: it is in memory anyway.
    for upload in [0, 6, 100_000] {
        let url = refusing_once().await;
        let (outbound, recorder) = recorded();
        let client =
            outbound.reqwest_with_resolver(builder().http2_prior_knowledge(), Hosts::loopback()).unwrap();
        let response = client.post(&url).body(vec![b'a'; upload]).send().await.unwrap();
        assert_eq!(response.status(), 200);
        drop(response);
        let outcomes = recorder.outcomes();
        assert_eq!(outcomes.len(), 2, "{upload}: {outcomes:?}");
        assert!(outcomes[0].starts_with("stream_refused"), "{outcomes:?}");
        recorder.settled().await;
    }
}

#[tokio::test]
async fn reqwest_error_names_url_where_redirects_stopped() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /stop?sig=s3cr3t\r\ncontent-length: 0\r\n\r\n";
    let server = ScriptedServer::tcp(Script::answering(redirect)).await.unwrap();
    let (outbound, recorder) = recorded();
    let error = client(&outbound).get(server.uri("/").to_string()).send().await.unwrap_err();
    let error = error.into_reqwest();
    assert!(error.is_redirect());
    let url = error.url().unwrap();
    assert_eq!((url.path(), url.query()), ("/stop", None), "no secret");
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn reqwest_connect_timeouts_are_timeouts_to_reqwest() {
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    for own in [true, false] {
        let outbound = Outbound::builder().connect_timeout(if own { second } else { minute });
        let outbound = outbound.retry(|retry| retry.max_retries(0)).build();
        let layer = tower::timeout::TimeoutLayer::new(if own { minute } else { second });
        let hosts = Hosts::waiting(|_| Some(Gate::new()));
        let client = outbound.reqwest_with_resolver(builder().connector_layer(layer), hosts).unwrap();
        let error = client.get("http://peer.test/").send().await.unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ConnectTimeout, "{error:?}");
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
        let error = error.into_reqwest();
        assert!(error.is_timeout() && error.is_connect(), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reqwest_into_reqwest_of_own_timeout_is_timeout() {
    let timeouts = Timeouts::new().attempt(Duration::from_secs(1));
    let outbound = Outbound::builder().timeouts(timeouts).retry(|retry| retry.max_retries(0)).build();
    let client = outbound.reqwest_with_resolver(builder(), Hosts::waiting(|_| Some(Gate::new()))).unwrap();
    let error = client.get("http://peer.test/").send().await.unwrap_err();
    assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
    let error = error.into_reqwest();
    assert!(error.is_timeout() && !error.is_connect(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn reqwest_timeout_of_reqwest_ends_the_call() {
    let second = Duration::from_secs(1);
    let of_client: [fn(_, _) -> _; 3] = [
        |builder: reqwest::ClientBuilder, timeout| builder.timeout(timeout),
        |builder, timeout| builder.read_timeout(timeout),
        |builder, _| builder,
    ];
    for (number, of_client) in of_client.into_iter().enumerate() {
        let (outbound, recorder) = recorded();
        let hosts = Hosts::waiting(|_| Some(Gate::new()));
        let client = outbound.reqwest_with_resolver(of_client(builder(), second), hosts).unwrap();
        let mut request = client.get("http://peer.test/");
        if number == 2 {
            request = request.timeout(second);
        }
        let start = Instant::now();
        let error = request.send().await.unwrap_err();
        assert_eq!((start.elapsed(), recorder.outcomes().len()), (second, 1), "{number}: {error:?}");
        assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
        assert!(error.into_reqwest().is_timeout());
        recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn reqwest_timeout_of_request_bounds_its_retries() {
    let ms = Duration::from_millis;
    let (outbound, recorder) = recorded();
    let client = outbound.reqwest_with_resolver(builder(), TryAgain(ms(60))).unwrap();
    let start = Instant::now();
    let error = client.get("http://peer.test/").timeout(ms(100)).send().await.unwrap_err();
    let outcomes = recorder.outcomes();
    assert_eq!((start.elapsed(), outcomes.len()), (ms(100), 2), "{outcomes:?}");
    assert!(outcomes[0].starts_with("name_resolution_error"), "{outcomes:?}");
    assert!(error.into_reqwest().is_timeout());
    recorder.settled().await;
}

/// A DNS server that is overloaded, and says so after a while.
struct TryAgain(Duration);

impl Resolve for TryAgain {
    fn resolve(&self, _: Name) -> Resolving {
        let after = self.0;
        Box::pin(async move {
            tokio::time::sleep(after).await;
            Err(ResolveError::new(DnsFailure::TryAgain).into())
        })
    }
}

#[tokio::test]
async fn reqwest_send_past_layers_is_warned_of_once() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let seen = warnings.clone();
    let outbound = Outbound::builder().observer(move |event: &Event<'_>| {
        if let Event::Misplaced { warning, .. } = event {
            seen.lock().unwrap().push(*warning);
        }
    });
    let client = client(&outbound.build());
    let url = server.uri("/").to_string();
    client.post(&url).json("order").send().await.unwrap().bytes().await.unwrap();
    assert_eq!(*warnings.lock().unwrap(), []);
    // On the connection that is there.
    for _ in 0..2 {
        client.get_ref().get(&url).send().await.unwrap().bytes().await.unwrap();
    }
    assert_eq!(*warnings.lock().unwrap(), [StackWarning::Bypassed]);
    assert_eq!(server.accepted(), 1);
    let head = server.log()[0].heads[0].to_lowercase();
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
}

/// The requests go out before the client knows that the peer takes one stream at a time.
#[tokio::test]
async fn reqwest_100_requests_on_one_stream_all_succeed() {
    let handler = |_| std::future::ready(Response::new(http_body_util::Full::new(bytes::Bytes::from("ok"))));
    let server = H2Server::builder().max_concurrent_streams(1).start(handler).await.unwrap();
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).build();
    let client =
        outbound.reqwest_with_resolver(builder().http2_prior_knowledge(), Hosts::loopback()).unwrap();
    let url = server.uri("/").to_string();
    let calls = (0..100).map(|_| async { client.get(&url).send().await.map(|response| response.status()) });
    let statuses = futures_util::future::join_all(calls).await;
    let failed: Vec<_> = statuses.iter().filter_map(|status| status.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} failed, such as {:?}", failed.len(), failed[0]);
    let refused = recorder.outcomes().iter().filter(|outcome| outcome.starts_with("stream_refused")).count();
    assert!(refused > 0);
}
