//! Why a connection closed.

use std::time::Duration;

use tower_outbound::connect::CloseReason::{
    self, BodyDropped, ConnectionClose, Dropped, Error, Evicted, GoAway, Http10, PeerClosed, ProtocolError,
    Silent,
};
use tower_outbound::{Kind, Phase};

use super::story::{brief, logged};
use super::{Field, Joined, Verdict};
use crate::witness::log::{Goodbye, PeerConnection, PeerEnd};
use crate::witness::reported::{AttemptReport, ConnectionReport, End};

/// Ends of both sides that are not further apart are at once.
const AT_ONCE: Duration = Duration::from_millis(1);
/// An end of the peer this shortly before the client was dropped may not have been seen.
const RACE: Duration = Duration::from_millis(20);

pub(super) fn judge(
    joined: &Joined<'_>,
    report: &ConnectionReport,
    peer: Option<&PeerConnection>,
    verdict: &mut Verdict,
) {
    let Some(peer) = peer.filter(|peer| peer.end != PeerEnd::Open) else { return };
    let Some(reason) = report.closed else {
        let why = format!("no close; reported: {}; logged: {}", brief(report), logged(peer));
        return verdict.wrong(Field::CloseReason, None, why);
    };
    let last = joined.attempts_on(report).last();
    let expected = expected(joined, report, peer);
    if !expected.contains(&reason) {
        let ended = last.map(|last| (last.id, last.end));
        let why = format!(
            "{reason:?} in place of {expected:?}; reported: {}; logged: {}; its last attempt {ended:?}",
            brief(report),
            logged(peer)
        );
        verdict.wrong(Field::CloseReason, last.map(|last| last.step), why);
    }
}

/// The reasons that fit: several where two things happened at once.
fn expected(joined: &Joined<'_>, report: &ConnectionReport, peer: &PeerConnection) -> Vec<CloseReason> {
    let mut fits = Vec::new();
    // The client was dropped, or had closed, before it can have seen the peer's end.
    let closed_first = report.closed_at.is_some_and(|closed| closed <= peer.end_at + AT_ONCE);
    if closed_first || peer.end_at + RACE >= joined.played.left {
        fits.push(Dropped);
    }
    match peer.goodbye {
        Some(Goodbye::Close) => fits.push(ConnectionClose),
        Some(Goodbye::Http10) => fits.push(Http10),
        Some(Goodbye::GoAway(_)) => fits.push(GoAway),
        None => {}
    }
    if peer.garbage {
        fits.push(ProtocolError);
    }
    let said = peer.goodbye.is_some() || peer.garbage;
    // A reset takes what was said and not read.
    let read = report.bytes_in == peer.written;
    match peer.end {
        // h2 may write, and fail, before it can say in a GOAWAY that it has read garbage.
        PeerEnd::Reset if peer.http2 && peer.garbage => fits.push(Error),
        // A connection that left the pool may be dropped before its end is read.
        PeerEnd::Closed if !said => fits.extend([PeerClosed, Evicted]),
        // A reset that meets a FIN of this side, or unread bytes, is seen as either. Its connection may have left the pool.
        PeerEnd::Reset if !said || !read => fits.extend([Error, PeerClosed, Evicted]),
        // Unread bytes turn the close into a reset, which takes what was said.
        PeerEnd::Closed if !peer.to_the_end && !read => fits.extend([Error, PeerClosed]),
        PeerEnd::Client | PeerEnd::ClientReset if !said => fits.extend([Dropped, Evicted]),
        _ => {}
    }
    for attempt in joined.attempts_on(report) {
        fits.extend(by_attempt(attempt, peer));
    }
    fits
}

/// Why this side may have closed the connection of an attempt.
fn by_attempt(attempt: &AttemptReport, peer: &PeerConnection) -> Vec<CloseReason> {
    match attempt.end {
        End::Ok => Vec::new(),
        End::Cancelled(Phase::Body) if !peer.http2 => vec![BodyDropped],
        End::Cancelled(_) => vec![Dropped],
        End::Failed(Kind::Protocol | Kind::InvalidResponse | Kind::LimitExceeded, ..) => vec![ProtocolError],
        End::Failed(Kind::ResponseTimeout | Kind::WriteTimeout | Kind::BodyTimeout, ..) => {
            vec![Silent, Dropped, BodyDropped]
        }
        End::Failed(..) => Vec::new(),
    }
}
