//! A socket that is dead when the client writes, before the runtime knows: the test blocks the runtime until the peer has
//! ended the connection.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use outbound_tests::faults::frames::{ACK, END_HEADERS, END_STREAM, HEADERS, OK, SETTINGS, frame, goaway};
use tower::{Service as _, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::{BoxError, Kind, Phase, SendState};

use crate::support::recorded;

/// Closes the socket with a reset.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
}

fn post(uri: &Uri) -> Request<Full<Bytes>> {
    Request::post(uri).body(Full::from("upload")).unwrap()
}

/// Connects. If there is a way to tell, tells the peer to reset the connection, and returns when it has done so.
async fn connect(
    uri: Uri,
    reset: Option<mpsc::Sender<()>>,
) -> Result<TokioIo<tokio::net::TcpStream>, BoxError> {
    let io = HttpConnector::new().call(uri).await?;
    if let Some(reset) = reset {
        reset.send(())?;
        // After a reset, a socket has no peer.
        while io.inner().peer_addr().is_ok() {
            thread::yield_now();
        }
        keep_busy();
    }
    Ok(io)
}

/// Resets the first connection when told to, and answers one request on the second.
fn peer_that_resets_first() -> (Uri, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (go, told) = mpsc::channel();
    thread::spawn(move || {
        let (first, _) = listener.accept().unwrap();
        told.recv().unwrap();
        reset(first);
        let (mut second, _) = listener.accept().unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"upload") {
            let mut piece = [0; 1024];
            let count = second.read(&mut piece).unwrap();
            assert!(count > 0, "the client has closed");
            read.extend_from_slice(&piece[..count]);
        }
        second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        let _ = second.read(&mut [0]);
    });
    (uri, go)
}

#[test]
fn reset_before_first_write_is_not_sent_and_retried() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.event_interval(100_000).enable_all().build().unwrap();
    // A task: the runtime asks for events before it polls the future itself.
    runtime.block_on(async { tokio::spawn(first_write_to_reset_connection()).await.unwrap() });
}

/// Keeps the runtime from asking the system for events for a while: it asks when it has nothing else to do.
fn keep_busy() {
    let mut polls = 0;
    tokio::spawn(poll_fn(move |cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        if polls < 1_000 { Poll::Pending } else { Poll::Ready(()) }
    }));
}

async fn first_write_to_reset_connection() {
    let (uri, go) = peer_that_resets_first();
    let (outbound, recorder) = recorded();
    let go = Arc::new(Mutex::new(Some(go)));
    let connector =
        outbound.connector(service_fn(move |uri| Box::pin(connect(uri, go.lock().unwrap().take()))));
    let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector);
    let response = outbound.layer().layer(client).oneshot(post(&uri)).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
    recorder.wait_until(|recorder| recorder.outcomes().len() == 2).await;
    assert_eq!(recorder.outcomes(), ["connection_reset in send", "ok"]);
}

/// Answers stream 1. Then, when told to, sends a GOAWAY that includes it, and resets the connection.
fn peer_that_goes_away() -> (Uri, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (go, told) = mpsc::channel();
    let (done, gone) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A reset discards what the system has not sent.
        stream.set_nodelay(true).unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
        stream.read_exact(&mut [0; 24]).unwrap();
        let mut ended = false;
        while !ended {
            let mut head = [0; 9];
            stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream.read_exact(&mut vec![0; length as usize]).unwrap();
            if head[3] == SETTINGS && head[4] & ACK == 0 {
                stream.write_all(&frame(SETTINGS, ACK, 0, &[])).unwrap();
            }
            ended = head[8] == 1 && head[4] & END_STREAM != 0 && head[3] <= HEADERS;
        }
        stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, OK)).unwrap();
        told.recv().unwrap();
        stream.write_all(&goaway(1, 0)).unwrap();
        reset(stream);
        done.send(()).unwrap();
    });
    (uri, go, gone)
}

#[tokio::test]
async fn goaway_behind_failed_write_is_read() {
    for _ in 0..20 {
        let (uri, go, gone) = peer_that_goes_away();
        let (outbound, _recorder) = recorded();
        let connector = outbound.connector(HttpConnector::new());
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build(connector);
        let client = outbound.attempt_layer().layer(client);
        let response = client.clone().oneshot(post(&uri)).await.unwrap();
        response.into_body().collect().await.unwrap();
        // Let the connection's task read all, so that its next read waits for the runtime.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        go.send(()).unwrap();
        gone.recv().unwrap();
        let error = client.oneshot(post(&uri)).await.map(drop).unwrap_err();
        let failure = error.failure();
        // The GOAWAY says why. Its HEADERS were not written.
        assert_eq!(
            (failure.kind(), failure.send_state()),
            (Kind::GoAway, Some(SendState::NotSent)),
            "{error:?}"
        );
        assert_eq!(failure.phase(), Some(Phase::Acquire));
    }
}
