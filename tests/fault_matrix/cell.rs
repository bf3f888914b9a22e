//! One cell: a fault, on a connection of one kind, fresh or reused.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::Uri;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{ConnectionLog, Script, ScriptedServer};
use tokio::runtime::Handle;
use tower::ServiceExt as _;
use tower_outbound::connect::TcpConnector;
use tower_outbound::{BoxError, Class, Connection, Failure, SendState};

use crate::peer::{Peer, Plan};
use crate::sent::{Client, Seen};
use crate::stack::{Body, Stack, request};
use crate::{http1, http2};

/// A cell that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20);
/// The same where the clock is paused: a limit of an idle write begins anew with every byte that the system takes.
const PAUSED_LIMIT: Duration = Duration::from_secs(3600);

/// The request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    None,
    /// 1,000 bytes of 2,000, and then no more.
    Unfinished,
    Endless,
    /// 1,000 bytes of 2,000, and an error when the gate opens.
    Failing,
}

/// When the test does its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Never,
    GateBeforeRequest,
    GateAfterFirstByte,
    GateAfterHead,
    CancelAtGate,
    CancelAfterFirstByte,
    CancelAfterHead,
    /// The clock is paused, so that a timeout is hit at once.
    PauseAtGate,
    PauseAfterFirstByte,
    PauseAfterHead,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Result {
    /// `ok`, `cancelled in PHASE`, or `KIND in PHASE`.
    pub(crate) outcome: String,
    pub(crate) class: String,
    /// Of a failure; `–` of anything else.
    pub(crate) send: String,
    /// What the telemetry or the peer says other than the outcome; empty if they agree.
    pub(crate) disagreement: String,
}

/// What was written before the request in question, by connection.
type Written = Vec<(u64, u64)>;

fn written(stack: &Stack) -> Written {
    stack.outbound.connections().iter().map(|one| (one.id(), one.bytes_out())).collect()
}

/// Runs a fault of a peer that speaks HTTP/1.
pub(crate) async fn run_http1(fault: &http1::Fault, tls: bool, reused: bool) -> Result {
    let certs = Certs::new("peer.test");
    let (gate, over) = (Gate::new(), Gate::new());
    let mut script = Script::new();
    if tls {
        script = script.tls(certs.server_config(&["http/1.1"]));
    }
    if reused {
        script = script.read_request().write(http1::OK);
    }
    // Who has not closed the connection holds it, and looks at the end for what else has come.
    let script = (fault.script)(script, &gate).wait(&over).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let stack = Stack::new(certs.client_config(&[]), TcpConnector::new(), false);
    let uri = server.uri_with(if tls { "https" } else { "http" }, "localhost", "/");
    if reused {
        first(&stack, &uri).await;
    }
    let (log, before) = (server.log(), written(&stack));
    let method = run(&stack, &uri, fault.slug, fault.upload, fault.cut, &gate).await;
    let told = Told::of(stack, method, &before).await;
    over.open();
    let seen = match told.failed() {
        true => Some(within(fault.slug, told.seen_by(&server, &log)).await),
        false => None,
    };
    server.stop();
    told.finish(seen).await
}

/// Runs a fault of a peer that speaks HTTP/2.
pub(crate) async fn run_http2(fault: &http2::Fault, tls: bool, reused: bool) -> Result {
    let certs = Certs::new("peer.test");
    let gate = Gate::new();
    let plan = Plan { at: fault.at, steps: fault.steps.clone(), reused, gate: gate.clone() };
    let peer = Peer::start(plan, tls.then(|| certs.server_config(&["h2"]))).await;
    let stack = Stack::new(certs.client_config(&[]), TcpConnector::new(), true);
    let scheme = if tls { "https" } else { "http" };
    let uri = format!("{scheme}://localhost:{}/", peer.address.port()).parse().unwrap();
    if reused {
        first(&stack, &uri).await;
    }
    let before = written(&stack);
    let method = run(&stack, &uri, fault.slug, fault.upload, fault.cut, &gate).await;
    let told = Told::of(stack, method, &before).await;
    let seen = match told.failed() {
        true => Some(within(fault.slug, peer.seen()).await),
        false => {
            drop(peer);
            None
        }
    };
    told.finish(seen).await
}

pub(crate) async fn within<T>(slug: &str, done: impl Future<Output = T>) -> T {
    within_time(LIMIT, slug, done).await
}

async fn within_time<T>(limit: Duration, slug: &str, done: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, done).await.unwrap_or_else(|_| panic!("{slug} hangs"))
}

/// The request that makes the connection one that is reused.
async fn first(stack: &Stack, uri: &Uri) {
    let response = stack.service.clone().oneshot(request("GET", uri, empty())).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// The method of the attempt in question.
async fn run(stack: &Stack, uri: &Uri, slug: &str, upload: Upload, cut: Cut, gate: &Gate) -> &'static str {
    let method = if upload == Upload::None { "GET" } else { "POST" };
    let attempt = attempt(stack, uri, method, upload, cut, gate);
    if matches!(cut, Cut::PauseAtGate | Cut::PauseAfterFirstByte | Cut::PauseAfterHead) {
        within_time(PAUSED_LIMIT, slug, attempt).await;
        tokio::time::resume();
    } else {
        within(slug, attempt).await;
    }
    method
}

/// Sends the request in question, to its end or to where the test gives up.
async fn attempt(stack: &Stack, uri: &Uri, method: &str, upload: Upload, cut: Cut, gate: &Gate) {
    let body = match upload {
        Upload::None => empty(),
        Upload::Unfinished => unfinished(),
        Upload::Endless => endless(),
        Upload::Failing => failing(gate.clone()),
    };
    let mut request = request(method, uri, body);
    if matches!(upload, Upload::Unfinished | Upload::Failing) {
        request.headers_mut().insert("content-length", 2000.into());
    }
    if cut == Cut::GateBeforeRequest {
        gate.open();
    }
    let read = |stack: &Stack| stack.outbound.connections().iter().map(Connection::bytes_in).sum::<u64>();
    let before = read(stack);
    let call = stack.service.clone().oneshot(request);
    tokio::pin!(call);
    let first_byte = async {
        while read(stack) <= before {
            tokio::task::yield_now().await;
        }
    };
    let answered = match cut {
        Cut::CancelAtGate => tokio::select! {
            answered = &mut call => answered,
            () = gate.wait() => return,
        },
        Cut::CancelAfterFirstByte => tokio::select! {
            answered = &mut call => answered,
            () = first_byte => return,
        },
        Cut::PauseAtGate => {
            let pause = async {
                within("the gate", gate.wait()).await;
                tokio::time::pause();
            };
            tokio::join!(&mut call, pause).0
        }
        Cut::PauseAfterFirstByte => {
            let pause = async {
                within("the first byte", first_byte).await;
                tokio::time::pause();
            };
            tokio::join!(&mut call, pause).0
        }
        Cut::GateAfterFirstByte => {
            let open = async {
                first_byte.await;
                gate.open();
            };
            tokio::join!(&mut call, open).0
        }
        _ => call.await,
    };
    let Ok(response) = answered else { return };
    match cut {
        Cut::GateAfterHead => gate.open(),
        Cut::CancelAfterHead => return,
        Cut::PauseAfterHead => tokio::time::pause(),
        _ => {}
    }
    let _ = response.into_body().collect().await;
}

/// What was told of the attempt in question; the client is gone.
pub(crate) struct Told {
    result: Result,
    failure: Option<Failure>,
    connection: Option<Connection>,
    http2: bool,
    /// By its connection, before the request began.
    written_before: u64,
    recorder: Recorder,
}

impl Told {
    /// Of the last attempt.
    pub(crate) async fn of(stack: Stack, method: &str, before: &Written) -> Told {
        Told::of_several(stack, method, 1, 0, before).await
    }

    /// Of several that had the same fate, the last ones of this method; so many of other methods ended later.
    pub(crate) async fn of_several(
        stack: Stack,
        method: &str,
        count: usize,
        later: usize,
        before: &Written,
    ) -> Told {
        let recorder = stack.recorder.clone();
        let ended =
            |recorder: &Recorder| recorder.outcomes().len() as i64 == recorder.count("AttemptStarted");
        recorder.wait_until(ended).await;
        let mut outcomes = recorder.outcomes();
        outcomes.truncate(outcomes.len() - later);
        let mut outcomes = outcomes.split_off(outcomes.len() - count);
        outcomes.dedup();
        let outcome = outcomes.join(" and ");
        let (failure, connection) = stack.failure.lock().unwrap().take().unzip();
        let failure = failure.filter(|_| outcome != "ok" && !outcome.starts_with("cancelled"));
        let class = failure.as_ref().and_then(Failure::class).map_or("–", Class::as_str).to_owned();
        let send = failure.as_ref().and_then(Failure::send_state).map_or("–", SendState::as_str).to_owned();
        let (error, metric_agrees) = stack.error_type(method, count);
        let expected = failure.as_ref().map(|failure| failure.kind().as_str().to_owned());
        let mut disagreement = String::new();
        if error != expected {
            disagreement = format!("span: error.type {error:?}");
        } else if !metric_agrees {
            disagreement = "no metric has the error.type of all spans".to_owned();
        }
        let connection = connection.flatten().filter(|_| failure.is_some());
        let same = |connection: &Connection| before.iter().find(|(id, _)| *id == connection.id());
        let written_before = connection.as_ref().and_then(same).map_or(0, |(_, bytes)| *bytes);
        let http2 = stack.http2;
        drop(stack);
        let result = Result { outcome, class, send, disagreement };
        Told { result, failure, connection, http2, written_before, recorder }
    }

    pub(crate) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// What the server has seen when all its connections have ended.
    pub(crate) async fn seen_by(&self, server: &ScriptedServer, before: &[ConnectionLog]) -> Seen {
        server.wait_until(|log| log.iter().all(|connection| connection.ended.is_some())).await;
        Seen::since(server, before)
    }

    /// Fails if anything is left over. Where there was no peer, nothing can have been sent.
    pub(crate) async fn finish(mut self, seen: Option<Seen>) -> Result {
        let Told { failure, connection, http2, written_before, recorder, .. } = self;
        recorder.settled().await;
        if let Some(failure) = failure {
            let written = connection.map(|connection| connection.bytes_out() - written_before);
            let client = Client { http2, written, has_cut: failure.is_timeout() };
            let send = failure.send_state().expect("of an attempt");
            if let Some(contradiction) = seen.unwrap_or_default().contradicts(send, client) {
                self.result.disagreement += &contradiction;
            }
        }
        recorder.assert_balanced();
        recorder.assert_no_faults();
        // A limit that was armed keeps a task until it is due, since the recorder keeps the stack.
        tokio::time::pause();
        tokio::time::sleep(LIMIT).await;
        tokio::time::resume();
        let tasks = async {
            while Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        within(&self.result.outcome, tasks).await;
        self.result
    }
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn unfinished() -> Body {
    StreamBody::new(begun().chain(futures_util::stream::pending())).boxed_unsync()
}

fn failing(gate: Gate) -> Body {
    let fails = futures_util::stream::once(async move {
        gate.wait().await;
        Err(std::io::Error::other("the file is gone").into())
    });
    StreamBody::new(begun().chain(fails)).boxed_unsync()
}

fn begun() -> impl Stream<Item = std::result::Result<Frame<Bytes>, BoxError>> {
    futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(&[b'u'; 1000])))])
}

fn endless() -> Body {
    let part = || Ok(Frame::data(Bytes::from_static(&[b'u'; 16_384])));
    StreamBody::new(futures_util::stream::repeat_with(part)).boxed_unsync()
}
