//! hyper's client on an in-memory pipe. The peer writes exact bytes.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use outbound_tests::server::{Script, ScriptedServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tower_outbound::BoxError;

use outbound_tests::faults::frames::{ACK, HEADERS, SETTINGS, frame};

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) fn body(bytes: &'static str) -> Body {
    Full::from(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub(crate) fn get() -> Request<Body> {
    Request::get("http://example.test/").body(body("")).unwrap()
}

pub(crate) fn upload(body: Body) -> Request<Body> {
    Request::post("http://example.test/").body(body).unwrap()
}

/// Panics if the future hangs. The clock is paused, so the timeout takes no real time.
pub(crate) async fn within_an_hour<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(3600), future).await.expect("the future hangs")
}

/// Returns when every task is idle: the paused clock advances only then.
pub(crate) async fn all_idle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// An HTTP/1 connection to a scripted peer.
pub(crate) struct Http1 {
    pub(crate) sender: http1::SendRequest<Body>,
    pub(crate) connection: JoinHandle<Result<(), hyper::Error>>,
    _server: ScriptedServer,
}

pub(crate) async fn http1(script: Script) -> Http1 {
    let (server, connector) = ScriptedServer::duplex(script);
    let io = connector.connect().unwrap();
    let (sender, connection) = http1::handshake(io).await.unwrap();
    Http1 { sender, connection: tokio::spawn(connection), _server: server }
}

impl Http1 {
    /// The error of a request, before the response's head or in its body.
    pub(crate) async fn error(mut self, request: Request<Body>) -> BoxError {
        within_an_hour(error(self.sender.send_request(request))).await
    }

    /// The error of the connection's future.
    pub(crate) async fn connection_error(self) -> BoxError {
        within_an_hour(self.connection).await.unwrap().expect_err("the connection fails").into()
    }
}

/// The error of a GET on HTTP/1.
pub(crate) async fn http1_error(script: Script) -> BoxError {
    http1(script).await.error(get()).await
}

/// The error of a response, before its head or in its body.
pub(crate) async fn error(
    response: impl Future<Output = Result<http::Response<Incoming>, hyper::Error>>,
) -> BoxError {
    match response.await {
        Err(error) => error.into(),
        Ok(response) => response.into_body().collect().await.expect_err("the body fails").into(),
    }
}

/// What an HTTP/2 peer does after it has sent its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Stay,
    Close,
}

/// An HTTP/2 connection to a peer that sends these frames after the head of the first request.
pub(crate) async fn http2(frames: Vec<u8>, then: Then) -> http2::SendRequest<Body> {
    let (client, peer) = tokio::io::duplex(1 << 20);
    tokio::spawn(peer_of_http2(peer, frames, then));
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .handshake(TokioIo::new(client))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn http2_error(frames: Vec<u8>, then: Then) -> BoxError {
    http2_upload_error(get(), frames, then).await
}

pub(crate) async fn http2_upload_error(request: Request<Body>, frames: Vec<u8>, then: Then) -> BoxError {
    let mut sender = http2(frames, then).await;
    within_an_hour(error(sender.send_request(request))).await
}

/// Sends SETTINGS, waits for the first HEADERS, sends the frames, then reads to the end or closes.
pub(crate) async fn peer_of_http2(mut io: DuplexStream, frames: Vec<u8>, then: Then) {
    // The client may close the connection before it has read all frames.
    if send_after_head(&mut io, &frames).await.is_ok() && then == Then::Stay {
        let _ = tokio::io::copy(&mut io, &mut tokio::io::sink()).await;
    }
}

async fn send_after_head(io: &mut DuplexStream, frames: &[u8]) -> io::Result<()> {
    io.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    io.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        io.read_exact(&mut vec![0; length as usize]).await?;
        match head[3] {
            SETTINGS if head[4] & ACK == 0 => io.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS => return io.write_all(frames).await,
            _ => {}
        }
    }
}
