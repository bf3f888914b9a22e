//! Uploads that the peer answers before their end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use futures_util::{StreamExt as _, stream};
use http::{Request, Uri};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioExecutor;
use outbound_tests::certs::Certs;
use outbound_tests::faults::http2::{At, Step, answer};
use outbound_tests::faults::{Peer, Plan};
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{DuplexIo, Script, ScriptedServer};
use tokio::runtime::Handle;
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::connect::ConnectionState;
use tower_outbound::pool::Pool;
use tower_outbound::{BoxError, Outbound};

use crate::support::recorded;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends an upload that never ends, and reads the response.
type Sends = Box<dyn Fn(Uri) -> BoxFuture<'static, ()>>;

fn endless(
    uri: &Uri,
) -> Request<impl http_body::Body<Data = Bytes, Error = BoxError> + Send + Sync + 'static> {
    let begun = stream::iter([Ok(Frame::data(Bytes::from_static(&[b'u'; 1_000])))]);
    Request::post(uri).body(StreamBody::new(begun.chain(stream::pending()))).unwrap()
}

fn outbound_client(outbound: &Outbound, http2: bool) -> Sends {
    let client = outbound.client_builder().http2_only(http2).build();
    Box::new(move |uri| {
        let response = client.request(endless(&uri));
        Box::pin(async { drop(response.await.unwrap().into_body().collect().await.unwrap()) })
    })
}

fn reqwest_client(outbound: &Outbound) -> Sends {
    let tls = Certs::new("peer.test").client_config(&[]);
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    let client = outbound.reqwest(builder).unwrap();
    Box::new(move |uri| {
        let response = client.request(endless(&uri));
        Box::pin(async { drop(response.await.unwrap().into_body().collect().await.unwrap()) })
    })
}

fn tonic_channels(outbound: &Outbound) -> Sends {
    let outbound = outbound.clone();
    Box::new(move |uri| {
        let channel = outbound.tonic(tonic::transport::Endpoint::from(uri.clone())).connect_lazy();
        let request = endless(&uri).map(tonic::body::Body::new);
        Box::pin(async { drop(channel.oneshot(request).await.unwrap().into_body().collect().await.unwrap()) })
    })
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Nothing of the uploads is left two seconds after their responses, though the client stays.
async fn leaves_nothing(
    uploads: impl Future<Output = ()>,
    outbound: Outbound,
    recorder: &Recorder,
    http1: bool,
) {
    let before = tasks();
    uploads.await;
    if http1 {
        let states: Vec<_> = outbound.connections().iter().map(tower_outbound::Connection::state).collect();
        assert!(states.iter().all(|state| *state == ConnectionState::Draining), "{states:?}");
        assert_eq!(recorder.gauges().1, 0, "none is idle");
    }
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The sockets are real: let both sides see the end.
    tokio::time::resume();
    let gone = async {
        while http1 && !outbound.connections().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if !http1 {
            assert!(outbound.connections().iter().all(|open| open.in_flight() == 0));
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the connections close");
    drop(outbound);
    // A task of a timeout ends when that timeout is over.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(120)).await;
    tokio::time::resume();
    let gone = async {
        while tasks() > before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the tasks end");
}

#[tokio::test]
async fn http1_upload_answered_early_leaves_nothing() {
    for client in [|outbound: &Outbound| outbound_client(outbound, false), reqwest_client] {
        let server = ScriptedServer::tcp(Script::new().read_head().write(OK).read_to_end()).await.unwrap();
        let (outbound, recorder) = recorded();
        let (send, uri) = (client(&outbound), server.uri("/"));
        let uploads = async { drop(join_all((0..50).map(|_| send(uri.clone()))).await) };
        leaves_nothing(uploads, outbound, &recorder, true).await;
        let ended = server.log().iter().filter(|connection| connection.ended.is_some()).count();
        assert_eq!(ended, 50, "by the peer's log");
    }
}

#[tokio::test]
async fn http2_upload_answered_early_leaves_nothing() {
    for client in [|outbound: &Outbound| outbound_client(outbound, true), tonic_channels] {
        let (outbound, recorder) = recorded();
        let send = client(&outbound);
        // Each peer serves one connection.
        let mut peers = Vec::new();
        for _ in 0..10 {
            let plan =
                Plan { at: At::Head, steps: vec![Step::Write(answer)], reused: false, gate: Gate::new() };
            peers.push(Peer::start(plan, None).await);
        }
        let uris = peers.iter().map(|peer| format!("http://{}/", peer.address).parse().unwrap());
        let uris: Vec<Uri> = uris.collect();
        let uploads = async { drop(join_all(uris.into_iter().map(&send)).await) };
        leaves_nothing(uploads, outbound, &recorder, false).await;
        drop(peers);
    }
}

#[tokio::test(start_paused = true)]
async fn http1_upload_ending_after_answer_keeps_connection() {
    let upload = Script::new().read_head().write(OK).read_exact(4);
    let (server, peer) = ScriptedServer::duplex(upload.read_request().write(OK).read_to_end());
    let (outbound, recorder) = recorded();
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(peer));
    let client = outbound.attempt_layer().layer(client);
    let (gate, uri) = (Gate::new(), Uri::from_static("http://example.test/"));
    let rest = {
        let gate = gate.clone();
        stream::once(async move {
            gate.wait().await;
            Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"rest")))
        })
    };
    let body = http_body_util::BodyExt::boxed_unsync(StreamBody::new(rest));
    let request = Request::post(&uri).header("content-length", 4).body(body).unwrap();
    let response = client.clone().oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    let connection = outbound.connections().remove(0);
    assert_eq!(connection.state(), ConnectionState::Draining);
    assert_eq!(recorder.gauges(), (1, 0));
    gate.open();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(connection.state(), ConnectionState::Idle);
    assert_eq!(recorder.gauges(), (0, 1));
    let empty = http_body_util::Empty::new().map_err(|never| match never {}).boxed_unsync();
    let response = client.oneshot(Request::get(&uri).body(empty).unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!((connection.uses(), server.accepted()), (2, 1));
}

/// A connection that takes several buffers in one write, as a socket does: hyper does not copy uploads for it.
struct Vectored(DuplexIo);

impl Connection for Vectored {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl hyper::rt::Read for Vectored {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Vectored {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, bufs.iter().find(|buf| !buf.is_empty()).map_or(&[], |buf| buf))
    }
}

/// hyper has the whole upload when the response ends, and asks for no other request when it has written the rest.
#[tokio::test(start_paused = true)]
async fn http1_upload_written_after_answer_keeps_connection() {
    const LENGTH: usize = 200_000;
    type Body = http_body_util::Full<Bytes>;

    let upload = || Request::post("http://example.test/").body(Body::from(vec![b'u'; LENGTH])).unwrap();
    let peer = || {
        let gate = Gate::new();
        let script = Script::new().read_head().write(OK).wait(&gate).read_exact(LENGTH).repeat();
        let (server, peer) = ScriptedServer::duplex(script);
        (server, peer.map_response(Vectored as fn(DuplexIo) -> Vectored), gate)
    };
    let (outbound, _) = recorded();

    let (server, connector, gate) = peer();
    let pool = Pool::builder().max_connections_per_origin(1).build(outbound.connector(connector));
    reuses(outbound.attempt_layer().layer(pool), upload, &gate, &server).await;

    let (server, connector, gate) = peer();
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(connector));
    reuses(outbound.attempt_layer().layer(client), upload, &gate, &server).await;
}

/// Sends two uploads, of which the peer reads each only after its answer was read.
async fn reuses<S, B, R>(client: S, upload: impl Fn() -> Request<B>, gate: &Gate, server: &ScriptedServer)
where
    S: tower::Service<Request<B>, Response = http::Response<R>> + Clone,
    S::Error: std::fmt::Debug,
    R: http_body::Body,
    R::Error: std::fmt::Debug,
{
    for _ in 0..2 {
        let answered = async {
            let response = client.clone().oneshot(upload()).await.unwrap();
            response.into_body().collect().await.map(drop).unwrap();
        };
        tokio::time::timeout(Duration::from_secs(5), answered).await.expect("the connection is free again");
        gate.open();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.accepted(), 1);
}
