//! Bytes of bodies and of connections.

use super::story::{brief, logged};
use super::{Attempt, Field, Joined, Verdict};
use crate::witness::log::{PeerConnection, PeerEnd};
use crate::witness::reported::{ConnectionReport, End};

pub(super) fn judge_attempt(attempt: &Attempt<'_>, verdict: &mut Verdict) {
    let report = attempt.report;
    let Some((_, request)) = attempt.seen else { return };
    let (taken, given) = (report.request_body, report.response_body);
    let answered = request.answer.map_or(0, |answer| answer.body);
    let whole = request.answer.is_some_and(|answer| answer.whole);
    // What is taken after the end of the attempt is not counted.
    let complete = report.end == End::Ok && request.answer.is_some_and(|answer| answer.after_whole);
    let over = complete || request.last_read <= report.end_at;
    let why = if over && (taken < request.body || request.whole && taken != request.body) {
        format!("{taken} bytes of its body were taken, but {} read", request.body)
    } else if given > answered || report.end == End::Ok && given != answered {
        format!("{given} bytes of the answer's body, but {answered} were written")
    } else if report.end == End::Ok && !whole {
        "ok, but the answer is not whole".to_owned()
    } else {
        return;
    };
    verdict.wrong(Field::Bytes, Some(report.step), format!("{why}; {}", attempt.story()));
}

pub(super) fn judge_connection(
    joined: &Joined<'_>,
    report: &ConnectionReport,
    peer: Option<&PeerConnection>,
    verdict: &mut Verdict,
) {
    let (Some(peer), Some(_)) = (peer, report.closed) else { return };
    let (out, come) = (report.bytes_out, report.bytes_in);
    let lost_in_tls = joined.scene.client.tls && out > peer.read;
    let quiet = peer.end == PeerEnd::Client
        && !peer.http2
        && report.uses == peer.requests.len() as u64
        && joined.attempts_on(report).filter(|attempt| attempt.end == End::Ok).count() == peer.requests.len();
    let why = if out < peer.read || peer.to_the_end && out != peer.read && !lost_in_tls {
        format!("{out} bytes out, but {} read", peer.read)
    } else if come > peer.written || quiet && come != peer.written {
        format!("{come} bytes in, but {} written", peer.written)
    } else {
        return;
    };
    verdict.wrong(
        Field::Bytes,
        None,
        format!("{why}; reported: {}; logged: {}", brief(report), logged(peer)),
    );
}
