//! Which connection served, and which use of it an attempt was.

use std::collections::BTreeMap;

use tower_outbound::Reuse;

use super::{Attempt, Field, Joined, Verdict};
use crate::witness::reported::End;

pub(super) fn judge(joined: &Joined<'_>, attempt: &Attempt<'_>, verdict: &mut Verdict) {
    let Attempt { report, seen, .. } = attempt;
    let step = Some(report.step);
    let times = joined.seen.get(&report.id).map_or(0, Vec::len);
    if times > 1 {
        let why = format!("attempt {} was read {times} times", report.id);
        verdict.wrong(Field::Connection, step, why);
    }
    let Some((peer, request)) = seen else {
        if report.end == End::Ok {
            let why = format!("attempt {} is ok, and no peer has read it", report.id);
            verdict.wrong(Field::Connection, step, why);
        }
        return;
    };
    let Some(serving) = report.connection else {
        return unknown(joined, attempt, verdict);
    };
    let other = attempt.named.is_some_and(|(_, side)| side.is_some_and(|side| side.number != peer.number));
    if serving.port != peer.port || other {
        let why =
            format!("{serving:?}, but it was read on connection {} from port {}", peer.number, peer.port);
        return verdict.wrong(Field::Connection, step, why);
    }
    if report.reuse == Reuse::Unknown {
        return unknown(joined, attempt, verdict);
    }
    if !joined.scene.client.is_tracked() {
        // Numbered by the heads of the answers, as the callers get them.
        return;
    }
    // Streams have odd numbers.
    let number = if peer.http2 { request.number.div_ceil(2) } else { request.number };
    if report.usage != Some(number.into()) {
        let why = format!("use {:?}, but it was request {number}; {}", report.usage, attempt.story());
        verdict.wrong(Field::Use, step, why);
    }
    if (report.reuse == Reuse::New) != (number == 1) {
        let why = format!("{:?}, but it was request {number}; {}", report.reuse, attempt.story());
        verdict.wrong(Field::Reuse, step, why);
    }
}

/// No way out where the IO is tracked. What a connection takes after the end of the attempt is not the attempt's.
fn unknown(joined: &Joined<'_>, attempt: &Attempt<'_>, verdict: &mut Verdict) {
    let within = attempt.seen.is_some_and(|(_, request)| request.first_read < attempt.report.end_at);
    if joined.scene.client.is_tracked() && within {
        verdict.unknown_reuse.push((attempt.report.step, attempt.story()));
    }
}

/// Where the peer's log does not tell the number: no number twice, and no second attempt that is new.
pub(super) fn judge_numbers(joined: &Joined<'_>, verdict: &mut Verdict) {
    let tracked = joined.scene.client.is_tracked();
    let mut taken = BTreeMap::<(u64, u64), u64>::new();
    for report in &joined.played.reported.attempts {
        let (Some(serving), Some(usage)) = (report.connection, report.usage) else { continue };
        if tracked {
            let side = joined.connections.get(&serving.id).and_then(|(_, side)| *side);
            let first = side.and_then(|side| side.requests.first()).map(|request| request.attempt);
            if report.reuse == Reuse::New
                && first.is_some_and(|first| first != report.id)
                && !joined.seen.contains_key(&report.id)
            {
                let why = format!(
                    "attempt {} is new on connection {}, which served {first:?} first",
                    report.id, serving.id
                );
                verdict.wrong(Field::Reuse, Some(report.step), why);
            }
        } else if let Some(before) = taken.insert((serving.id, usage), report.id) {
            let field = if usage == 1 { Field::Reuse } else { Field::Use };
            let why = format!("use {usage} of connection {}, as attempt {before} was", serving.id);
            verdict.wrong(field, Some(report.step), why);
        }
    }
}
