//! The four kinds of calls: when each ends, and what a drop does.

use futures_util::stream;
use outbound_tests::server::{H2Server, closed_port};
use tonic::Code;
use tower_outbound::connect::ConnectionState;
use tower_outbound::retry::RetryLayer;
use tower_outbound::{Outbound, Reuse};

use super::tonic_server::{Echo, EchoClient, framed, messages, moving_channel};
use crate::support::recorded;

fn client(outbound: &Outbound, server: &H2Server) -> EchoClient {
    EchoClient::new(outbound.tonic(server.uri("")).connect_lazy())
}

#[tokio::test]
async fn tonic_call_of_each_kind_ends_with_its_trailers() {
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut client = client(&outbound, &server);

    assert_eq!(client.unary("one").await.unwrap(), "one");
    assert_eq!(recorder.outcomes().len(), 1);

    let mut words = client.server("a b c").await.unwrap();
    for word in ["a", "b", "c"] {
        assert_eq!(words.message().await.unwrap().unwrap(), word);
    }
    assert!(words.message().await.unwrap().is_none());
    assert_eq!(recorder.outcomes().len(), 2);

    let sent = stream::iter(["a", "b"].map(str::to_owned));
    assert_eq!(client.client(sent).await.unwrap(), "a b");
    assert_eq!(recorder.outcomes().len(), 3);

    let (send, sent) = messages();
    send.send("ping".to_owned()).unwrap();
    let mut back = client.both(sent).await.unwrap();
    for word in ["pong", "end"] {
        assert!(back.message().await.unwrap().is_some());
        send.send(word.to_owned()).unwrap();
    }
    assert_eq!(back.message().await.unwrap().unwrap(), "end");
    assert_eq!(recorder.outcomes().len(), 3, "both sides are open");
    drop(send);
    assert!(back.message().await.unwrap().is_none());

    assert_eq!(recorder.outcomes(), ["ok"; 4]);
    let timings = recorder.timings();
    assert!(timings.windows(2).all(|pair| pair[0].connection() == pair[1].connection()));
    let uses: Vec<_> = timings.iter().map(|timings| timings.usage().unwrap().number()).collect();
    assert_eq!(uses, [1, 2, 3, 4]);
    assert_eq!(timings[0].reuse(), Reuse::New);
    assert_eq!(timings[1].attempt().request_body_bytes(), framed("a b c").len() as u64);
    let answered: usize = ["a", "b", "c"].map(|word| framed(word).len()).iter().sum();
    assert_eq!(timings[1].attempt().response_body_bytes(), answered as u64);
    drop((client, words, back));
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["dropped"]);
}

#[tokio::test]
async fn tonic_dropped_stream_is_cancelled_in_body_others_go_on() {
    let echo = Echo::default();
    let server = echo.start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut client = client(&outbound, &server);
    let mut kept = client.server("a hold b").await.unwrap();
    assert_eq!(kept.message().await.unwrap().unwrap(), "a");
    let mut dropped = client.server("a hold b").await.unwrap();
    assert_eq!(dropped.message().await.unwrap().unwrap(), "a");
    let connection = outbound.connections().pop().unwrap();
    assert_eq!(connection.in_flight(), 2);

    drop(dropped);
    assert_eq!(recorder.outcomes(), ["cancelled in body"]);
    // The connection's task sends the reset.
    while connection.in_flight() == 2 {
        tokio::task::yield_now().await;
    }
    echo.gate.open();
    assert_eq!(kept.message().await.unwrap().unwrap(), "b");
    assert!(kept.message().await.unwrap().is_none());
    assert_eq!(client.unary("after").await.unwrap(), "after");

    assert_eq!(recorder.outcomes(), ["cancelled in body", "ok", "ok"]);
    assert!(recorder.timings().iter().all(|timings| timings.connection().as_ref() == Some(&connection)));
    assert_eq!((server.accepted(), recorder.count("ConnectionClosed")), (1, 0));
    drop((client, kept));
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_connection_counts_calls_in_flight() {
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut client = client(&outbound, &server);
    let mut calls = Vec::new();
    for _ in 0..4 {
        let (send, sent) = messages();
        send.send("open".to_owned()).unwrap();
        let mut back = client.both(sent).await.unwrap();
        assert_eq!(back.message().await.unwrap().unwrap(), "open");
        calls.push((send, back));
    }
    let connection = outbound.connections().pop().unwrap();
    assert_eq!((connection.in_flight(), connection.uses()), (4, 4));
    assert_eq!(connection.state(), ConnectionState::Active);
    assert_eq!(recorder.gauges(), (1, 0));
    for (send, mut back) in calls {
        drop(send);
        assert!(back.message().await.unwrap().is_none());
    }
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!((connection.in_flight(), connection.state()), (0, ConnectionState::Idle));
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_stream_answered_with_message_is_never_retried() {
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let builder = outbound.tonic(server.uri("")).retry(RetryLayer::grpc);
    let mut client = EchoClient::new(builder.connect_lazy());
    let mut words = client.server("a fail").await.unwrap();
    assert_eq!(words.message().await.unwrap().unwrap(), "a");
    assert_eq!(words.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(recorder.outcomes(), ["ok"], "an answer is not retried");
    drop((client, words));
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_streaming_request_refused_connect_retried_whole() {
    // The stream was never polled, so it still has all messages.
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let closed = closed_port().unwrap();
    let builder = moving_channel(&outbound, vec![closed, server.address()]);
    let mut client = EchoClient::new(builder.connect_lazy());
    let (send, sent) = messages();
    for word in ["a", "b", "c"] {
        send.send(word.to_owned()).unwrap();
    }
    drop(send);
    assert_eq!(client.client(sent).await.unwrap(), "a b c");
    assert_eq!(recorder.outcomes(), ["connection_refused in tcp", "ok"]);
    drop(client);
    recorder.settled().await;
}
