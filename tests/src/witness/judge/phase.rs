//! The phase of a failure, and the order and the sum of all phases.

use tower_outbound::{Phase, SendState};

use super::{Attempt, Field, Joined, Verdict};
use crate::witness::fault::Fault;
use crate::witness::reported::{AttemptReport, End};

/// `state` is the send state, if it is right.
pub(super) fn judge(
    joined: &Joined<'_>,
    attempt: &Attempt<'_>,
    state: Option<SendState>,
    verdict: &mut Verdict,
) {
    let report = attempt.report;
    let found = order(report).or_else(|| causes(joined, attempt)).or_else(|| last(joined, attempt, state));
    if let Some(why) = found {
        let why = format!("{why}; {}", attempt.story());
        verdict.wrong(Field::Phase, Some(report.step), why);
    }
    let quiet = joined.scene.concurrency == 1 && attempt.step.fault == Fault::None && report.end == End::Ok;
    let tracked = joined.scene.client.is_tracked() && !joined.scene.client.http2;
    if let (true, Some(first), Some((_, request))) = (quiet && tracked, report.times.first_byte, attempt.seen)
    {
        let written = request.answer.map(|answer| answer.at);
        verdict.first_bytes.extend(written.map(|at| (report.start + first).saturating_duration_since(at)));
    }
}

/// The phases follow each other without a gap, from the start of the attempt to its end.
fn order(report: &AttemptReport) -> Option<String> {
    let (Some(first), Some(last)) = (report.phases.first(), report.phases.last()) else {
        return Some("no phase".to_owned());
    };
    if report.phases.iter().any(|(_, start, end)| end < start) {
        return Some("a phase that ends before it begins".to_owned());
    }
    for (one, next) in report.phases.iter().zip(report.phases.iter().skip(1)) {
        if next.0 <= one.0 {
            return Some(format!("{} after {}", next.0, one.0));
        }
        if next.1 != one.2 {
            return Some(format!("a gap between {} and {}", one.0, next.0));
        }
    }
    if (first.1, last.2) != (report.start, report.end_at) {
        return Some("the phases do not add up to the whole".to_owned());
    }
    let times = report.times;
    let all = [times.queue, times.acquire, times.send_start, times.first_byte, times.head, times.body_end];
    let known: Vec<_> = all.into_iter().flatten().collect();
    (!known.is_sorted()).then(|| "times that are not in order".to_owned())
}

/// Nothing is read before it is written.
fn causes(joined: &Joined<'_>, attempt: &Attempt<'_>) -> Option<String> {
    let Attempt { report, seen, .. } = attempt;
    let (_, request) = (*seen)?;
    let at = |time: Option<std::time::Duration>| time.map(|time| report.start + time);
    if at(report.times.first_byte).zip(request.answer).is_some_and(|(first, answer)| first < answer.at) {
        return Some("a first byte before the peer has written one".to_owned());
    }
    let seen_writes = joined.scene.client.is_tracked() && !joined.scene.client.http2;
    if seen_writes && at(report.times.send_start).is_some_and(|start| start > request.first_read) {
        return Some("sending begins after the peer has read".to_owned());
    }
    let after_whole = request.answer.is_some_and(|answer| answer.after_whole);
    (report.answered_early && after_whole).then(|| "answered early, after the whole request".to_owned())
}

/// The phase in which a failure or a cancellation hit.
fn last(joined: &Joined<'_>, attempt: &Attempt<'_>, state: Option<SendState>) -> Option<String> {
    let Attempt { report, seen, .. } = attempt;
    let phase = match report.end {
        End::Ok => return None,
        End::Failed(_, None, _) => return Some("a failure without a phase".to_owned()),
        End::Failed(_, Some(phase), _) | End::Cancelled(phase) => phase,
    };
    if report.has_head != (phase == Phase::Body) {
        return Some(format!("ended in {phase}, head {}", report.has_head));
    }
    let before_send = phase < Phase::Send;
    let wrong = match state {
        Some(SendState::NotSent | SendState::NotProcessed) if report.has_head => true,
        // A first write of HTTP/1 that failed has sent nothing.
        Some(SendState::NotSent) => {
            phase > Phase::Send || (phase == Phase::Send && joined.scene.client.http2)
        }
        Some(SendState::Partial(_)) => !matches!(phase, Phase::Send | Phase::Body),
        Some(SendState::Sent) => phase <= Phase::Send,
        _ => false,
    };
    if wrong {
        return Some(format!("{state:?} in {phase}"));
    }
    let read = seen.filter(|(_, request)| request.first_read < report.end_at);
    if read.is_some() && before_send && phase != Phase::Acquire {
        return Some(format!("ended in {phase}, after the peer has read of it"));
    }
    let whole = read.filter(|(_, request)| request.whole && request.last_read < report.end_at);
    if whole.is_some() && before_send && !joined.scene.client.http2 {
        return Some(format!("ended in {phase}, after the peer has read it whole"));
    }
    None
}
