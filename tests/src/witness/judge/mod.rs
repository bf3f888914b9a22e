//! Compares what was reported with what the peer logged. Pure: it sees nothing but the two.

mod bytes;
mod close;
mod phase;
mod send_state;
mod serving;
mod story;
mod wire;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

pub(super) use self::story::logged;
pub use self::wire::Wire;
use super::drive::Played;
use super::log::{PeerConnection, PeerRequest};
use super::plan::{Scene, Step};
use super::reported::{AttemptReport, ConnectionReport, End, Reported};

/// What a report can be wrong in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Which connection served an attempt.
    Connection,
    /// Which use of it the attempt was.
    Use,
    /// Whether it was new.
    Reuse,
    /// How much of a failed request was sent.
    SendState,
    /// The phase of a failure, and the order and the sum of all phases.
    Phase,
    /// Bytes of a body or of a connection.
    Bytes,
    /// Why a connection closed.
    CloseReason,
}

impl Field {
    /// In the order of the last line.
    pub const ALL: [Field; 7] = [
        Field::Connection,
        Field::Use,
        Field::Reuse,
        Field::SendState,
        Field::Phase,
        Field::Bytes,
        Field::CloseReason,
    ];
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Connection => "connection",
            Field::Use => "use",
            Field::Reuse => "reuse",
            Field::SendState => "send state",
            Field::Phase => "phase",
            Field::Bytes => "bytes",
            Field::CloseReason => "close reason",
        })
    }
}

/// One wrong report.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// What is wrong.
    pub field: Field,
    /// The request; `None` if it is the report of a connection.
    pub step: Option<usize>,
    /// What was reported, and what the peer saw.
    pub why: String,
}

/// What the comparison of one scene gave.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Each wrong report.
    pub wrong: Vec<Wrong>,
    /// Failed attempts.
    pub failures: usize,
    /// Attempts that the peer has read, and whose reuse is unknown although the IO is tracked.
    pub unknown_reuse: Vec<(usize, String)>,
    /// Failures whose send state is unknown, and what both sides have of them.
    pub unknown_send: Vec<(usize, String)>,
    /// Connections that the peer accepted.
    pub connections: usize,
    /// From the first packet of an answer to the reported first byte, in such a scene, with a capture.
    pub captured: Vec<Duration>,
    /// From the peer's write of an answer to the reported first byte, in a scene with one request at a time.
    pub first_bytes: Vec<Duration>,
}

impl Verdict {
    fn wrong(&mut self, field: Field, step: Option<usize>, why: String) {
        self.wrong.push(Wrong { field, step, why });
    }

    /// The number of wrong reports of one kind.
    #[must_use]
    pub fn count(&self, field: Field) -> usize {
        self.wrong.iter().filter(|wrong| wrong.field == field).count()
    }
}

/// Both words on one attempt.
struct Attempt<'a> {
    report: &'a AttemptReport,
    step: &'a Step,
    /// The request that a peer has read, and on which connection.
    seen: Option<(&'a PeerConnection, &'a PeerRequest)>,
    /// The connection that the report names, and the peer's side of it.
    named: Option<(&'a ConnectionReport, Option<&'a PeerConnection>)>,
}

/// Both words on one scene.
struct Joined<'a> {
    scene: &'a Scene,
    played: &'a Played,
    /// By the id of the attempt: every time that a peer has read it.
    seen: HashMap<u64, Vec<(&'a PeerConnection, &'a PeerRequest)>>,
    /// The tracked connections, by id, with the peer's side.
    connections: HashMap<u64, (&'a ConnectionReport, Option<&'a PeerConnection>)>,
}

/// Judges one scene.
#[must_use]
pub fn judge(scene: &Scene, played: &Played) -> Verdict {
    let joined = Joined::new(scene, played);
    let mut verdict = Verdict { connections: played.peer.len(), ..Verdict::default() };
    for report in &played.reported.attempts {
        let Some(step) = scene.steps.get(report.step) else { continue };
        let seen = joined.seen.get(&report.id).and_then(|all| all.first().copied());
        let named = report.connection.and_then(|serving| joined.connections.get(&serving.id).copied());
        let attempt = Attempt { report, step, seen, named };
        verdict.failures += usize::from(matches!(report.end, End::Failed(..)));
        serving::judge(&joined, &attempt, &mut verdict);
        let state = send_state::judge(&joined, &attempt, &mut verdict);
        phase::judge(&joined, &attempt, state, &mut verdict);
        bytes::judge_attempt(&attempt, &mut verdict);
        if let Some(wire) = &played.wire {
            wire::judge(&joined, wire, &attempt, &mut verdict);
        }
    }
    serving::judge_numbers(&joined, &mut verdict);
    if let Some(wire) = &played.wire {
        wire::judge_all(&joined, wire, &mut verdict);
    }
    for (report, peer) in joined.connections.values() {
        bytes::judge_connection(&joined, report, *peer, &mut verdict);
        close::judge(&joined, report, *peer, &mut verdict);
    }
    // The map has no order.
    verdict.wrong.sort_by_key(|wrong| (wrong.step, wrong.field));
    verdict
}

impl<'a> Joined<'a> {
    fn new(scene: &'a Scene, played: &'a Played) -> Self {
        let mut seen = HashMap::<_, Vec<_>>::new();
        for connection in &played.peer {
            for request in &connection.requests {
                seen.entry(request.attempt).or_default().push((connection, request));
            }
        }
        let connections = connections(&played.reported, &played.peer);
        Joined { scene, played, seen, connections }
    }

    /// Whether a connection that its peer has not read to the end was open then, for the client.
    fn may_have_taken(&self, since: Instant) -> bool {
        let known = self.connections.values().any(|(report, side)| {
            side.is_none_or(|side| !side.to_the_end) && report.closed_at.is_none_or(|closed| closed >= since)
        });
        known || self.played.peer.iter().any(|peer| !peer.to_the_end && peer.end_at >= since)
    }

    /// The attempts on a connection, in the order of their ends.
    fn attempts_on(&self, connection: &ConnectionReport) -> impl Iterator<Item = &'a AttemptReport> {
        let id = connection.id;
        let on = move |one: &&AttemptReport| one.connection.is_some_and(|serving| serving.id == id);
        self.played.reported.attempts.iter().filter(on)
    }
}

/// Both sides of a connection have the client's port. A port that is used again has its connections in the same order.
fn connections<'a>(
    reported: &'a Reported,
    peer: &'a [PeerConnection],
) -> HashMap<u64, (&'a ConnectionReport, Option<&'a PeerConnection>)> {
    let mut all = HashMap::new();
    for report in &reported.connections {
        let opened: Vec<_> = reported.connections.iter().filter(|one| one.port == report.port).collect();
        let place = opened.iter().position(|one| one.id == report.id).unwrap_or_default();
        let mut accepted: Vec<_> = peer.iter().filter(|one| one.port == report.port).collect();
        if accepted.len() > opened.len() {
            // A connection that ended before TLS was up is none for the layers.
            accepted.retain(|one| one.read > 0);
        }
        let side = accepted.get(place).copied().filter(|_| accepted.len() == opened.len());
        all.insert(report.id, (report, side));
    }
    all
}
