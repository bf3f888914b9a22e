//! Runs a fault on an open connection, fresh or reused.

use std::time::Duration;

use http::Uri;
use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::faults::{Action, Peer, Plan, Upload, http1, http2, open_before_request};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_outbound::Connection;
use tower_outbound::connect::TcpConnector;

use crate::attempt::{Outcome, Reported, within, within_time, written};
use crate::stack::{Stack, request};

/// The bound of a cell on a paused clock: every written byte restarts the write-idle timeout.
const PAUSED_LIMIT: Duration = Duration::from_secs(3600);

/// Runs a fault of a peer that speaks HTTP/1.
pub(crate) async fn run_http1(fault: &http1::Fault, tls: bool, reused: bool) -> Outcome {
    let certs = Certs::new("peer.test");
    let (gate, over) = (Gate::new(), Gate::new());
    let mut script = Script::new();
    if tls {
        script = script.tls(certs.server_config(&["http/1.1"]));
    }
    if reused {
        script = script.read_request().write(http1::OK);
    }
    // A peer that has not closed the connection holds it, and reads the rest at the end.
    let script = (fault.script)(script, &gate).wait(&over).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let stack = Stack::new(certs.client_config(&[]), TcpConnector::new(), false);
    let uri = server.uri_with(if tls { "https" } else { "http" }, "localhost", "/");
    if reused {
        use_once(&stack, &uri).await;
    }
    let (log, before) = (server.log(), written(&stack));
    let method = send(&stack, &uri, fault.slug, fault.upload, fault.action, &gate).await;
    let reported = Reported::of(stack, method, &before).await;
    over.open();
    let seen = match reported.failed() {
        true => Some(within(fault.slug, reported.seen_by(&server, &log)).await),
        false => None,
    };
    server.stop();
    reported.finish(seen).await
}

/// Runs a fault of a peer that speaks HTTP/2.
pub(crate) async fn run_http2(fault: &http2::Fault, tls: bool, reused: bool) -> Outcome {
    let certs = Certs::new("peer.test");
    let gate = Gate::new();
    let plan = Plan { at: fault.at, steps: fault.steps.clone(), reused, gate: gate.clone() };
    let peer = Peer::start(plan, tls.then(|| certs.server_config(&["h2"]))).await;
    let stack = Stack::new(certs.client_config(&[]), TcpConnector::new(), true);
    let scheme = if tls { "https" } else { "http" };
    let uri = format!("{scheme}://localhost:{}/", peer.address.port()).parse().unwrap();
    if reused {
        use_once(&stack, &uri).await;
    }
    let before = written(&stack);
    let method = send(&stack, &uri, fault.slug, fault.upload, fault.action, &gate).await;
    let reported = Reported::of(stack, method, &before).await;
    let seen = match reported.failed() {
        true => Some(within(fault.slug, peer.seen()).await),
        false => {
            drop(peer);
            None
        }
    };
    reported.finish(seen).await
}

/// The first request, after which the connection is reused.
async fn use_once(stack: &Stack, uri: &Uri) {
    let response = stack.service.clone().oneshot(request("GET", uri)).await.unwrap();
    response.into_body().collect().await.unwrap();
}

/// Sends the request that meets the fault, and returns its method.
async fn send(
    stack: &Stack,
    uri: &Uri,
    slug: &str,
    upload: Upload,
    action: Action,
    gate: &Gate,
) -> &'static str {
    let attempt = attempt(stack, uri, upload, action, gate);
    if matches!(action, Action::TimeOutAtGate | Action::TimeOutAtFirstByte | Action::TimeOutAtHead) {
        within_time(PAUSED_LIMIT, slug, attempt).await;
        tokio::time::resume();
    } else {
        within(slug, attempt).await;
    }
    upload.method()
}

/// Sends the request, until it ends or the client drops it.
async fn attempt(stack: &Stack, uri: &Uri, upload: Upload, action: Action, gate: &Gate) {
    let request = upload.request(uri, gate);
    match action {
        Action::OpenGateBeforeRequest => gate.open(),
        Action::ShowEndBeforeRequest => open_before_request(gate).await.unwrap(),
        _ => {}
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
    let answered = match action {
        Action::CancelAtGate => tokio::select! {
            answered = &mut call => answered,
            () = gate.wait() => return,
        },
        Action::CancelAtFirstByte => tokio::select! {
            answered = &mut call => answered,
            () = first_byte => return,
        },
        Action::TimeOutAtGate => {
            let pause = async {
                within("the gate", gate.wait()).await;
                tokio::time::pause();
            };
            tokio::join!(&mut call, pause).0
        }
        Action::TimeOutAtFirstByte => {
            let pause = async {
                within("the first byte", first_byte).await;
                tokio::time::pause();
            };
            tokio::join!(&mut call, pause).0
        }
        Action::OpenGateAtFirstByte => {
            let open = async {
                first_byte.await;
                gate.open();
            };
            tokio::join!(&mut call, open).0
        }
        _ => call.await,
    };
    let Ok(response) = answered else { return };
    match action {
        Action::OpenGateAtHead => gate.open(),
        Action::CancelAtHead => return,
        Action::TimeOutAtHead => tokio::time::pause(),
        _ => {}
    }
    let _ = response.into_body().collect().await;
}
