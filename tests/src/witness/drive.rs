//! Plays a scene: the callers' side.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Request, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Outbound, RequestExt as _};

use super::capture::Capture;
use super::clients::{Body, Kind, Send};
use super::judge::{Wire, logged};
use super::log::{PeerConnection, PeerEnd};
use super::peer::Peer;
use super::plan::{Act, Scene, Step, Upload};
use super::reported::{Collector, Reported};
use super::tag;
use crate::certs::Certs;

/// The time limits of a request whose peer stalls.
pub(super) const LIMIT: Duration = Duration::from_millis(60);
/// How long a call, and the end of a scene, may last.
const WATCHDOG: Duration = Duration::from_secs(10);
const FRAME: usize = 16 << 10;

/// What both sides of a scene say.
#[derive(Clone, Debug)]
pub struct Played {
    /// What the layers reported.
    pub reported: Reported,
    /// What the peer logged.
    pub peer: Vec<PeerConnection>,
    /// What was captured, if it was.
    pub wire: Option<Wire>,
    /// When the client was dropped: what ends later has no other cause.
    pub left: Instant,
    /// The steps whose call had no end in time, and what had no end after the last call.
    pub unfinished: Vec<String>,
}

/// Plays a scene, and captures its packets if asked to.
///
/// # Errors
/// If the peer cannot listen, or packets cannot be captured.
pub async fn play(scene: &Arc<Scene>, certs: &Certs, captures: bool) -> io::Result<Played> {
    let alpn: &[&str] = if scene.client.http2 { &["h2"] } else { &["http/1.1"] };
    let tls = scene.client.tls.then(|| certs.server_config(alpn));
    let peer = Peer::start(scene, tls).await?;
    let port = peer.address.port();
    let capture = if captures { Some(spawn_blocking(move || Capture::start(port)).await??) } else { None };
    let clocks = (Instant::now(), SystemTime::now());
    let scheme = if scene.client.tls { "https" } else { "http" };
    let to = Uri::builder().scheme(scheme).authority(peer.address.to_string()).path_and_query("/");
    let to = to.build().map_err(io::Error::other)?;

    let collector = Collector::default();
    let retries = if scene.retries { 2 } else { 0 };
    let outbound = Outbound::builder()
        .observer(collector.clone())
        .max_in_flight_per_origin(scene.in_flight)
        .retry(|retry| retry.max_retries(retries))
        .build();
    let send = scene.client.build(&outbound, &to, certs);
    let mut unfinished = call_all(scene, &send, &to).await;
    let left = Instant::now();
    drop((send, outbound));
    if timeout(WATCHDOG, collector.settled()).await.is_err() {
        unfinished.push("an attempt or a connection".to_owned());
    }
    let reported = collector.take();
    let peer = peer.finish(WATCHDOG).await;
    let open = peer.iter().filter(|connection| connection.end == PeerEnd::Open);
    for open in open.filter(|connection| !waits_in_hyper(scene, connection)) {
        unfinished.push(format!("of the peer: {}", logged(open)));
    }
    let wire = match capture {
        Some(capture) => {
            let connections = spawn_blocking(|| capture.finish()).await??;
            connections.map(|connections| Wire { connections, clocks })
        }
        None => None,
    };
    Ok(Played { reported, peer, wire, left, unfinished })
}

/// Whether the connection is one that hyper forgets, with the layers or without: the response has ended, hyper writes the rest of
/// the upload, and then asks for no other request and does not see that its client is gone. The layers make hyper ask where
/// they see the IO, which they do not with reqwest. Of the peer's side: everything was read and answered.
pub(super) fn waits_in_hyper(scene: &Scene, connection: &PeerConnection) -> bool {
    let reqwest = scene.client.kind == Kind::Reqwest && !connection.http2;
    let last = connection.requests.last().filter(|_| reqwest);
    last.is_some_and(|last| {
        let early = last.answer.as_ref().is_some_and(|answer| answer.whole && !answer.after_whole);
        last.whole && early
    })
}

/// Calls in the order of the steps, `concurrency` at once. Returns the steps without an end.
async fn call_all(scene: &Arc<Scene>, send: &Send, to: &Uri) -> Vec<String> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..scene.concurrency {
        let (scene, send, to, next) = (Arc::clone(scene), Arc::clone(send), to.clone(), Arc::clone(&next));
        callers.spawn(async move {
            let mut unfinished = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(step) = scene.steps.get(number) else { return unfinished };
                if timeout(WATCHDOG, call(number, step, &send, &to)).await.is_err() {
                    unfinished.push(format!("request {number}: {step}"));
                }
            }
        });
    }
    callers.join_all().await.into_iter().flatten().collect()
}

async fn call(number: usize, step: &Step, send: &Send, to: &Uri) {
    let sending = async {
        // The layers report each failure.
        let Ok(response) = send(request(number, step, to)).await else { return };
        if step.act != Act::DropBody {
            let _ = response.into_body().collect().await;
        }
    };
    match step.act {
        Act::Cancel(after) => drop(timeout(after, sending).await),
        Act::Read | Act::DropBody => sending.await,
    }
}

fn request(number: usize, step: &Step, to: &Uri) -> Request<Body> {
    let method = if matches!(step.upload, Upload::Nothing | Upload::Unsaid) { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(to).header(tag::HEADER, format!("{number:05}"));
    let request = request.body(step.upload.body()).expect("a valid target");
    if step.fault.stalls() {
        let limits = Timeouts::new().first_byte(LIMIT).write_idle(LIMIT).body_idle(LIMIT);
        return request.timeouts(limits);
    }
    request
}

/// What bodies are made of.
static BYTES: LazyLock<Bytes> = LazyLock::new(|| vec![b'u'; 8 << 20].into());

impl Upload {
    fn body(self) -> Body {
        let never = |never: Infallible| match never {};
        match self {
            Upload::Nothing => Empty::new().map_err(never).boxed(),
            Upload::Unsaid => Unsaid.boxed(),
            Upload::Whole(length) => Full::new(BYTES.slice(..length.min(BYTES.len()))).map_err(never).boxed(),
            Upload::Frames(length) => BodyExt::boxed(StreamBody::new(stream::iter(frames(length)))),
            Upload::Paused(length) => {
                let second = stream::once(sleep(Duration::from_millis(4)))
                    .flat_map(move |()| stream::iter(frames(length / 2)));
                BodyExt::boxed(StreamBody::new(stream::iter(frames(length - length / 2)).chain(second)))
            }
        }
    }
}

fn frames(length: usize) -> impl Iterator<Item = Result<Frame<Bytes>, io::Error>> + std::marker::Send + Sync {
    let starts = (0..length).step_by(FRAME);
    starts.map(move |start| Ok(Frame::data(BYTES.slice(..FRAME.min(length - start)))))
}

/// No bytes, and no word of it before it is polled.
struct Unsaid;

impl http_body::Body for Unsaid {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(None)
    }
}
