//! One cell: a fault, on a connection of one kind, fresh or reused.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::Uri;
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_outbound::{Class, Connection, Kind, TcpConnector};

use crate::peer::{Peer, Plan};
use crate::stack::{Body, Stack, request};
use crate::{http1, http2};

/// A cell that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// The request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    None,
    /// 1,000 bytes of 2,000, and then no more.
    Unfinished,
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
    /// The clock is paused, so that a time limit is hit at once.
    PauseAtGate,
    PauseAfterFirstByte,
    PauseAfterHead,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Result {
    /// `ok`, `cancelled in PHASE`, or `KIND in PHASE`.
    pub(crate) outcome: String,
    pub(crate) class: String,
    /// What the telemetry says other than the outcome; empty if it agrees.
    pub(crate) disagreement: String,
}

/// Runs a fault of a peer that speaks HTTP/1.
pub(crate) async fn run_http1(fault: &http1::Fault, tls: bool, reused: bool) -> Result {
    let certs = Certs::new("peer.test");
    let gate = Gate::new();
    let mut script = Script::new();
    if tls {
        script = script.tls(certs.server_config(&["http/1.1"]));
    }
    if reused {
        script = script.read_request().write(http1::OK);
    }
    let server = ScriptedServer::tcp((fault.script)(script, &gate)).await.unwrap();
    let stack = Stack::new(certs.client_config(&[]), TcpConnector::new(), false);
    let uri = server.uri_with(if tls { "https" } else { "http" }, "localhost", "/");
    let told = run(&stack, &uri, reused, fault.slug, fault.upload, fault.cut, &gate).await;
    server.stop();
    finish(stack, told).await
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
    let upload = if fault.uploads() { Upload::Unfinished } else { Upload::None };
    let told = run(&stack, &uri, reused, fault.slug, upload, fault.cut, &gate).await;
    drop(peer);
    finish(stack, told).await
}

/// The method of the exchange in question.
async fn run(
    stack: &Stack,
    uri: &Uri,
    reused: bool,
    slug: &str,
    upload: Upload,
    cut: Cut,
    gate: &Gate,
) -> &'static str {
    if reused {
        let response = stack.service.clone().oneshot(request("GET", uri, empty())).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let method = if upload == Upload::None { "GET" } else { "POST" };
    let done = exchange(stack, uri, method, upload, cut, gate);
    tokio::time::timeout(LIMIT, done).await.unwrap_or_else(|_| panic!("{slug} hangs"));
    if matches!(cut, Cut::PauseAtGate | Cut::PauseAfterFirstByte | Cut::PauseAfterHead) {
        tokio::time::resume();
    }
    method
}

/// Sends the request in question, to its end or to where the test gives up.
async fn exchange(stack: &Stack, uri: &Uri, method: &str, upload: Upload, cut: Cut, gate: &Gate) {
    let body = match upload {
        Upload::None => empty(),
        Upload::Unfinished => unfinished(),
    };
    let mut request = request(method, uri, body);
    if upload == Upload::Unfinished {
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
                gate.wait().await;
                tokio::time::pause();
            };
            tokio::join!(&mut call, pause).0
        }
        Cut::PauseAfterFirstByte => {
            let pause = async {
                first_byte.await;
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

/// What was told of the last exchange; fails if anything is left over.
pub(crate) async fn finish(stack: Stack, method: &str) -> Result {
    let Stack { ref recorder, .. } = stack;
    let recorder = recorder.clone();
    recorder
        .wait_until(|recorder| recorder.outcomes().len() as i64 == recorder.count("ExchangeStarted"))
        .await;
    let outcome = recorder.outcomes().pop().unwrap();
    let kind = outcome.split(" in ").next().unwrap_or_default();
    let known = Kind::ALL.iter().find(|known| known.as_str() == kind);
    let class = stack.class.lock().unwrap().map_or("–", Class::as_str).to_owned();
    let (error, metric_agrees) = stack.error_type(method);
    let expected = known.map(|kind| kind.as_str().to_owned());
    let mut disagreement = String::new();
    if error != expected {
        disagreement = format!("span: error.type {error:?}");
    } else if !metric_agrees {
        disagreement = "no metric has the span's error.type".to_owned();
    }
    drop(stack);
    recorder.settled().await;
    recorder.assert_balanced();
    recorder.assert_no_faults();
    Result { outcome, class, disagreement }
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn unfinished() -> Body {
    let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from_static(&[b'u'; 1000])))]);
    StreamBody::new(first.chain(futures_util::stream::pending())).boxed_unsync()
}
