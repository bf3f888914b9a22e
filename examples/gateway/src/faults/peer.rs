//! Faults of a peer on an open connection: those of the harness.

use std::collections::BTreeSet;
use std::io;

use axum::body::Body;
use axum::http::Uri;
use outbound_tests::faults::http1::OK;
use outbound_tests::faults::{Action, Peer, Plan, Upload, http1, http2, open_before_request};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};

use super::caller::{Caller, Options, cancelled, in_time};
use super::reported::Reported;
use super::{Fault, fault, uri};

/// One fault of each name and HTTP version.
pub(super) fn faults() -> Vec<Fault> {
    let mut names = BTreeSet::new();
    let http1 = http1::faults().into_iter();
    let http1 = http1.filter(|fault| is_shown(fault.slug) && names.insert(fault.slug));
    let mut faults: Vec<_> = http1.map(|one| fault(one.slug, meet_http1(one))).collect();
    let mut names = BTreeSet::new();
    let http2 = http2::faults().into_iter();
    let http2 = http2.filter(|fault| is_shown(fault.slug) && names.insert(fault.slug));
    faults.extend(http2.map(|one| fault(one.slug, meet_http2(one)).http2()));
    faults
}

/// The pool gives the attempt another connection if it sees that an idle one has ended: mostly no failure.
fn is_shown(fault: &str) -> bool {
    !fault.ends_with("-idle-reused")
}

async fn meet_http1(fault: http1::Fault) -> io::Result<Reported> {
    let (gate, never) = (Gate::new(), Gate::new());
    let reused = !fault.runs(false);
    let first = if reused { Script::new().read_request().write(OK) } else { Script::new() };
    // Holds a connection that the fault leaves open.
    let script = (fault.script)(first, &gate).wait(&never);
    let server = match reused {
        // The retry is answered.
        true => ScriptedServer::tcp([script, Script::answering(OK)]).await?,
        false => ScriptedServer::tcp(script).await?,
    };
    meet(
        &server.uri("/"),
        Options { http2: false, ..options(fault.action) },
        reused,
        fault.upload,
        fault.action,
        &gate,
    )
    .await
}

async fn meet_http2(fault: http2::Fault) -> io::Result<Reported> {
    let gate = Gate::new();
    let reused = !fault.runs(false);
    let plan = Plan { at: fault.at, steps: fault.steps, reused, gate: gate.clone() };
    let peer = Peer::start(plan, None).await;
    let options = Options { http2: true, ..options(fault.action) };
    meet(&uri("http", peer.address), options, reused, fault.upload, fault.action, &gate).await
}

fn options(action: Action) -> Options {
    match action {
        Action::TimeOutAtGate | Action::TimeOutAtFirstByte | Action::TimeOutAtHead => in_time(),
        _ => Options::new(false),
    }
}

/// Sends the request that meets the fault.
async fn meet(
    uri: &Uri,
    options: Options,
    reused: bool,
    upload: Upload,
    action: Action,
    gate: &Gate,
) -> io::Result<Reported> {
    let caller = Caller::new(options);
    if reused {
        caller.get(uri).await;
        caller.reported().await;
        caller.forget();
    }
    match action {
        Action::OpenGateBeforeRequest => gate.open(),
        Action::ShowEndBeforeRequest => open_before_request(gate).await?,
        _ => {}
    }
    let head = Gate::new();
    let sent = caller.send(upload.request(uri, gate).map(Body::new), || match action {
        Action::OpenGateAtHead => gate.open(),
        _ => head.open(),
    });
    // The retry may meet a peer that plays its fault once.
    let sent = cancelled(sent, caller.retried());
    match action {
        Action::CancelAtGate => cancelled(sent, gate.wait()).await,
        Action::CancelAtHead => cancelled(sent, head.wait()).await,
        Action::CancelAtFirstByte => cancelled(sent, caller.first_byte()).await,
        Action::OpenGateAtFirstByte => {
            let open = async {
                caller.first_byte().await;
                gate.open();
            };
            tokio::join!(sent, open);
        }
        _ => sent.await,
    }
    Ok(caller.reported().await)
}
