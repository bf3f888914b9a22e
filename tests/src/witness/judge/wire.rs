//! What was reported, compared with a packet capture.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use tower_outbound::SendState;
use tower_outbound::connect::CloseReason;

use super::story::brief;
use super::{Attempt, Field, Joined, Verdict};
use crate::witness::capture::WireConnection;
use crate::witness::fault::Fault;
use crate::witness::log::PeerConnection;
use crate::witness::reported::{ConnectionReport, End};

/// A capture of a scene.
#[derive(Clone, Debug)]
pub struct Wire {
    /// The connections, in the order in which they were opened.
    pub connections: Vec<WireConnection>,
    /// One instant of both clocks.
    pub clocks: (Instant, SystemTime),
}

impl Wire {
    /// The wire's side of the connection that a peer has logged: that of its port, if that was used once.
    fn of(&self, port: u16) -> Option<&WireConnection> {
        let mut found = self.connections.iter().filter(|one| one.port == port);
        found.next().filter(|_| found.next().is_none())
    }

    /// Since the Unix epoch.
    fn time(&self, at: Instant) -> Duration {
        let (instant, system) = self.clocks;
        let system = system.duration_since(UNIX_EPOCH).unwrap_or_default();
        system + at.saturating_duration_since(instant)
    }
}

pub(super) fn judge_all(joined: &Joined<'_>, wire: &Wire, verdict: &mut Verdict) {
    let (captured, accepted) = (wire.connections.len(), joined.played.peer.len());
    if captured != accepted {
        let why = format!("{captured} connections were captured, but {accepted} accepted");
        verdict.wrong(Field::Connection, None, why);
    }
    for (report, peer) in joined.connections.values() {
        if let Some(on_wire) = wire.of(report.port) {
            connection(joined, report, *peer, on_wire, verdict);
        }
    }
}

fn connection(
    joined: &Joined<'_>,
    report: &ConnectionReport,
    peer: Option<&PeerConnection>,
    on_wire: &WireConnection,
    verdict: &mut Verdict,
) {
    let WireConnection { out, come, .. } = *on_wire;
    let read_whole = peer.is_some_and(|peer| peer.to_the_end);
    let over = report.bytes_in > come || out > report.bytes_out || read_whole && out != report.bytes_out;
    if !joined.scene.client.tls && over {
        let why = format!("{out} bytes out and {come} in were captured; reported: {}", brief(report));
        verdict.wrong(Field::Bytes, None, why);
    }
    let fits = match report.closed {
        Some(CloseReason::PeerClosed | CloseReason::Error) => on_wire.peer_end.is_some(),
        Some(CloseReason::Dropped | CloseReason::IdleTimeout | CloseReason::BodyDropped) => {
            on_wire.client_end.is_some()
        }
        _ => true,
    };
    if !fits {
        let why = format!("the capture has {on_wire:?}; reported: {}", brief(report));
        verdict.wrong(Field::CloseReason, None, why);
    }
}

/// The request of an attempt on the wire.
pub(super) fn judge(joined: &Joined<'_>, wire: &Wire, attempt: &Attempt<'_>, verdict: &mut Verdict) {
    let (report, client) = (attempt.report, joined.scene.client);
    let Some(on_wire) = report.connection.and_then(|serving| wire.of(serving.port)) else { return };
    if client.http2 || client.tls || !client.is_tracked() {
        return;
    }
    if let End::Failed(_, _, Some(state)) = report.end {
        let most = match state {
            SendState::NotSent => Some(0),
            SendState::Partial(bytes) => Some(bytes),
            _ => None,
        };
        let before = attempt.before();
        let beyond = most.zip(before).filter(|(most, before)| on_wire.out > before + most);
        if let Some((most, before)) = beyond {
            let passed = on_wire.out - before;
            let why = format!("{passed} bytes of it were captured, not {most}; {}", attempt.story());
            verdict.wrong(Field::SendState, Some(report.step), why);
        }
    }
    let quiet = joined.scene.concurrency == 1 && attempt.step.fault == Fault::None && report.end == End::Ok;
    let answered = attempt.seen.and_then(|(_, request)| request.answer);
    if let (true, Some(first), Some(answer)) = (quiet, report.times.first_byte, answered) {
        let reported = wire.time(report.start + first);
        // The clocks differ by some microseconds at most.
        let written = wire.time(answer.at).saturating_sub(Duration::from_micros(20));
        let packet = on_wire.answers.iter().find(|at| **at >= written);
        verdict.captured.extend(packet.map(|at| reported.abs_diff(*at)));
    }
}
