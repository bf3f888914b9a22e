//! `TonicChannel`: its calls know their connections, and are retried where that is safe.

use std::convert::Infallible;
use std::error::Error as _;
use std::sync::{Arc, Mutex};

use hyper::rt::Executor;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use outbound_tests::otlp::Receiver;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{H2Server, Script, ScriptedServer, closed_port};
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};
use tower_outbound::connect::{Protocol, WithoutInfo};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::tonic::{TonicBuilder, TonicChannel};
use tower_outbound::{Error, Failure, Kind, Outbound, Phase, Reuse, SendState, Timings};

use super::checks::marks_are_monotone;
use super::tonic_server::{Echo, EchoClient, moving_channel, unavailable, without_backoff};
use crate::support::recorded;

fn channel(outbound: &Outbound, server: &H2Server) -> TonicBuilder {
    outbound.tonic(server.uri("")).retry(without_backoff)
}

/// Makes two calls with a generated client, one after the other, on one connection.
async fn calls(channel: TonicChannel, outbound: &Outbound, recorder: &Recorder, receiver: &Receiver) {
    let mut client = TraceServiceClient::new(channel);
    for _ in 0..2 {
        client.export(ExportTraceServiceRequest::default()).await.unwrap();
    }
    let open = outbound.connections();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].protocol(), open[0].uses()), (Some(Protocol::Http2), 2));
    assert_eq!(open[0].origin().to_string(), receiver.grpc_endpoint());
    assert!(open[0].setup().phase(Phase::Tcp).is_some());
    assert!(!open[0].setup().address_attempts().is_empty(), "each address is reported");
    let timings = recorder.timings();
    assert_eq!(timings.len(), 2);
    for (timings, number) in timings.iter().zip(1..) {
        assert_eq!(timings.connection().as_ref(), Some(&open[0]));
        assert_eq!(timings.usage().unwrap().number(), number);
        assert!(!timings.setup_paid(), "the channel's task connected");
        marks_are_monotone(timings);
    }
    assert_eq!([timings[0].reuse(), timings[1].reuse()], [Reuse::New, Reuse::Reused]);
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.close_reasons(), ["dropped"]);
    assert_eq!((recorder.count("connected"), recorder.count("ConnectionAssigned")), (1, 2));
    assert_eq!(recorder.count("Misplaced"), 0);
}

#[tokio::test]
async fn tonic_channel_lazy_knows_connection_of_each_call() {
    let receiver = Receiver::start().await.unwrap();
    let (outbound, recorder) = recorded();
    let endpoint = Endpoint::from_shared(receiver.grpc_endpoint()).unwrap();
    let channel = outbound.tonic(endpoint).connect_lazy();
    assert!(outbound.connections().is_empty());
    calls(channel, &outbound, &recorder, &receiver).await;
}

#[tokio::test]
async fn tonic_channel_works_with_interceptor() {
    let receiver = Receiver::start().await.unwrap();
    let (outbound, recorder) = recorded();
    let endpoint = Endpoint::from_shared(receiver.grpc_endpoint()).unwrap();
    let channel = outbound.tonic(endpoint).connect_lazy();
    let mut client = TraceServiceClient::with_interceptor(channel, |request: tonic::Request<()>| Ok(request));
    client.export(ExportTraceServiceRequest::default()).await.unwrap();
    // An interceptor that refuses returns without a call of the channel.
    let refuses = |_: tonic::Request<()>| Err(Status::unauthenticated("no token"));
    let channel = outbound.tonic(Endpoint::from_static("http://127.0.0.1:9")).connect_lazy();
    let mut client = TraceServiceClient::with_interceptor(channel, refuses);
    let status = client.export(ExportTraceServiceRequest::default()).await.unwrap_err();
    assert_eq!((status.code(), recorder.outcomes().len()), (Code::Unauthenticated, 1));
}

#[tokio::test]
async fn tonic_channel_connected_knows_connection_of_each_call() {
    let receiver = Receiver::start().await.unwrap();
    let (outbound, recorder) = recorded();
    let endpoint = Endpoint::from_shared(receiver.grpc_endpoint()).unwrap();
    let channel = outbound.tonic(endpoint).connect().await.unwrap();
    assert_eq!(outbound.connections().len(), 1);
    calls(channel, &outbound, &recorder, &receiver).await;
}

#[tokio::test]
async fn tonic_channel_bodiless_request_knows_connection() {
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut channel = channel(&outbound, &server).connect_lazy();
    let request = http::Request::post("/unknown.Service/Method")
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::empty())
        .unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(Status::from_header_map(response.headers()).unwrap().code(), Code::Unimplemented);
    assert_eq!(recorder.outcomes(), ["ok"], "ended with the head");
    assert_eq!(recorder.timings()[0].connection(), outbound.connections().pop());
    drop((channel, response));
    recorder.settled().await;
}

/// tonic does not expose the path of an `Endpoint`'s Unix socket: the connector opens it.
#[tokio::test]
async fn tonic_channel_over_unix_socket_knows_connection() {
    let service = hyper::service::service_fn(|_| async {
        Ok::<_, Infallible>(Status::unimplemented("answered").into_http::<tonic::body::Body>())
    });
    let connector = tower::service_fn(move |_: http::Uri| async move {
        let (ours, theirs) = tokio::net::UnixStream::pair()?;
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(theirs), service));
        Ok::<_, std::io::Error>(WithoutInfo::new(TokioIo::new(ours)))
    });
    let (outbound, recorder) = recorded();
    let endpoint = Endpoint::from_static("unix:///run/echo.sock");
    let mut client = EchoClient::new(outbound.tonic(endpoint).connector(connector).connect_lazy());
    for _ in 0..2 {
        assert_eq!(client.unary("x").await.unwrap_err().code(), Code::Unimplemented);
    }
    let timings = recorder.timings();
    assert_eq!([timings[0].reuse(), timings[1].reuse()], [Reuse::New, Reuse::Reused]);
    assert_eq!(timings[0].connection(), outbound.connections().pop());
    drop(client);
    recorder.settled().await;
}

/// A service that passes a status on must not name its upstream to its callers.
#[tokio::test]
async fn tonic_status_message_names_no_address() {
    let resets = ScriptedServer::tcp(Script::new().reset().repeat()).await.unwrap();
    for (address, refused) in [(closed_port().unwrap(), true), (resets.address().unwrap(), false)] {
        let (outbound, _recorder) = recorded();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = outbound.tonic(endpoint).retry(without_backoff).connect_lazy();
        let status = EchoClient::new(channel).unary("x").await.unwrap_err();
        assert!(!status.message().contains("127.0.0.1"), "{status:?}");
        let sources = std::iter::successors(status.source(), |error| (*error).source());
        let named = sources.map(ToString::to_string).any(|message| message.contains(&address.to_string()));
        assert!(named || !refused, "the source chain has the address: {status:?}");
    }
}

#[test]
fn tonic_channel_builder_debug_redacts_user_and_path() {
    let endpoint = Endpoint::from_static("http://user:s3cr3t@echo.test:50051/path");
    let printed = format!("{:?}", Outbound::new().tonic(endpoint));
    assert_eq!(
        printed,
        r#"TonicBuilder { scheme: Some("http"), host: Some("echo.test"), port: Some(50051), .. }"#
    );
}

#[tokio::test]
async fn tonic_channel_uses_executor_of_user() {
    type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    struct Counting(Arc<Mutex<u32>>);
    impl Executor<Task> for Counting {
        fn execute(&self, task: Task) {
            *self.0.lock().unwrap() += 1;
            tokio::spawn(task);
        }
    }
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let spawned = Arc::new(Mutex::new(0));
    let builder = channel(&outbound, &server).executor(Counting(spawned.clone()));
    let mut client = EchoClient::new(builder.connect_lazy());
    assert_eq!(client.unary("a").await.unwrap(), "a");
    assert!(*spawned.lock().unwrap() >= 3, "the channel's worker and two tasks of the connection");
    assert!(recorder.timings()[0].connection().is_some());
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_channel_refused_connect_is_retried() {
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let channel = moving_channel(&outbound, vec![closed_port().unwrap(), server.address()]).connect_lazy();
    let mut client = EchoClient::new(channel);
    assert_eq!(client.unary("hello").await.unwrap(), "hello");
    assert_eq!(recorder.outcomes(), ["connection_refused in tcp", "ok"]);
    assert_eq!((recorder.count("connect_failed"), recorder.count("connected")), (1, 1));
    let last = &recorder.timings()[1];
    assert_eq!((last.attempt().ordinal(), last.reuse()), (1, Reuse::New));
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_channel_refused_connect_is_unavailable() {
    let (outbound, recorder) = recorded();
    let builder = moving_channel(&outbound, vec![closed_port().unwrap()]).retry(|retry| retry.max_retries(0));
    let status = EchoClient::new(builder.connect_lazy()).unary("x").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let failure = Failure::of(&status);
    assert_eq!((failure.kind(), failure.phase()), (Kind::ConnectionRefused, Some(Phase::Tcp)));
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    assert!(error_of(&status).connection().is_none());
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_channel_failed_connect_reports_cause() {
    let (outbound, recorder) = recorded();
    let error = moving_channel(&outbound, vec![closed_port().unwrap()]).connect().await.unwrap_err();
    assert_eq!(error.failure().kind(), Kind::ConnectionRefused);
    assert_eq!(error.failure().phase(), Some(Phase::Tcp));
    assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
    assert!(error.source().unwrap().is::<tonic::transport::Error>());
    recorder.settled().await;
}

async fn answered_unavailable(pushback: Option<&'static str>) -> (Result<String, Status>, Recorder) {
    let server = Echo::default().instead(unavailable(pushback)).start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let builder = outbound.tonic(server.uri("")).retry(|retry| without_backoff(retry.grpc()));
    let mut client = EchoClient::new(builder.connect_lazy());
    let answer = client.unary("hello").await;
    drop(client);
    recorder.settled().await;
    (answer, recorder)
}

#[tokio::test]
async fn tonic_channel_trailers_only_unavailable_retried_if_set() {
    for pushback in [None, Some("0")] {
        let (answer, recorder) = answered_unavailable(pushback).await;
        assert_eq!(answer.unwrap(), "hello", "{pushback:?}");
        let timings = recorder.timings();
        assert_eq!(timings.len(), 2);
        assert_eq!(timings[0].connection(), timings[1].connection(), "the connection stays open");
        assert_eq!(timings[1].usage().unwrap().number(), 2);
    }
}

#[tokio::test]
async fn tonic_channel_negative_pushback_forbids_retry() {
    let (answer, recorder) = answered_unavailable(Some("-1")).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    assert_eq!(recorder.timings().len(), 1);
}

#[tokio::test]
async fn tonic_channel_trailers_only_not_retried_by_default() {
    let server = Echo::default().instead(unavailable(None)).start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut client = EchoClient::new(channel(&outbound, &server).connect_lazy());
    assert_eq!(client.unary("hello").await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(recorder.timings().len(), 1);
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_channel_uses_retry_options_of_stack() {
    let server = Echo::default().instead(unavailable(Some("0"))).start(H2Server::builder()).await;
    let recorder = Recorder::new();
    let builder: OutboundBuilder = Outbound::builder().observer(recorder.clone());
    let outbound = builder.retry(|retry| without_backoff(retry.grpc())).build();
    let mut client = EchoClient::new(outbound.tonic(server.uri("")).connect_lazy());
    assert_eq!(client.unary("hello").await.unwrap(), "hello");
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_channel_restart_moves_next_call_to_new_connection() {
    let before = Echo::default().start(H2Server::builder()).await;
    let after = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let channel = moving_channel(&outbound, vec![before.address(), after.address()]).connect_lazy();
    let mut client = EchoClient::new(channel);
    client.unary("one").await.unwrap();
    client.unary("two").await.unwrap();
    before.stop();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["peer_closed"]).await;
    client.unary("three").await.unwrap();

    let timings = recorder.timings();
    let ids: Vec<_> = timings.iter().map(|timings| timings.connection().unwrap().id()).collect();
    assert_eq!(ids[0], ids[1]);
    assert!(ids[2] > ids[1], "{ids:?}");
    assert_eq!(
        timings.iter().map(Timings::reuse).collect::<Vec<_>>(),
        [Reuse::New, Reuse::Reused, Reuse::New]
    );
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["peer_closed", "dropped"]);
}

#[tokio::test]
async fn tonic_channel_goaway_moves_next_call_to_new_connection() {
    let server = Echo::default().start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut client = EchoClient::new(channel(&outbound, &server).connect().await.unwrap());
    client.unary("one").await.unwrap();
    server.graceful_shutdown();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["goaway"]).await;
    client.unary("two").await.unwrap();
    let timings = recorder.timings();
    let ids: Vec<_> = timings.iter().map(|timings| timings.connection().unwrap().id()).collect();
    assert!(ids[1] > ids[0]);
    assert_eq!(timings[1].reuse(), Reuse::New);
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    drop(client);
    recorder.settled().await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn tonic_channel_cut_off_call_carries_connection() {
    let echo = Echo::default();
    let server = echo.start(H2Server::builder()).await;
    let (outbound, recorder) = recorded();
    let mut client = EchoClient::new(channel(&outbound, &server).connect_lazy());
    client.unary("one").await.unwrap();
    let mut words = client.server("one hold").await.unwrap();
    assert_eq!(words.message().await.unwrap().unwrap(), "one");
    let connection = outbound.connections().pop().unwrap();
    server.stop();
    let status = words.message().await.unwrap_err();
    let failure = Failure::of(&status);
    assert_eq!(failure.phase(), Some(Phase::Body));
    let error = error_of(&status);
    assert_eq!(error.connection(), Some(connection));
    drop((client, words));
    recorder.settled().await;
}

/// The error of this crate among the sources of a status.
fn error_of(status: &tonic::Status) -> &Error {
    let mut sources = std::iter::successors(status.source(), |&error| error.source());
    sources.find_map(|error| error.downcast_ref::<Error>()).expect("an error of tower-outbound")
}

#[test]
fn tonic_channel_is_clone_send_sync() {
    const fn shared<T: Clone + Send + Sync + 'static>() {}
    const fn sent<T: Send + 'static>() {}
    shared::<TonicChannel>();
    shared::<TraceServiceClient<TonicChannel>>();
    sent::<tower_outbound::tonic::TonicFuture>();
    sent::<TonicBuilder>();
}
