//! Plants one error of each kind that is counted into the records of both sides, and expects exactly that count.

use std::sync::Arc;
use std::time::Duration;

use tower_outbound::connect::CloseReason;
use tower_outbound::{Phase, Reuse, SendState};

use super::super::clients::{ALL, Client, Kind};
use super::super::{
    Act, AttemptReport, End, Fault, Field, PeerConnection, PeerEnd, Played, Scene, Step, Upload, judge, play,
};
use crate::certs::Certs;

/// A scene of these faults, with plain requests around them. Number 0 has no fault at accept.
async fn scene(client: Client, faults: &[(Fault, Upload)]) -> (Arc<Scene>, Played) {
    let plain = (Fault::None, Upload::Whole(2_000));
    let planned = [plain; 4].into_iter().chain(faults.iter().flat_map(|one| [*one, plain, plain]));
    let step = |(fault, upload)| Step {
        upload,
        act: Act::Read,
        fault,
        delay: Duration::ZERO,
        answer: 4_000,
        chunked: false,
        read: 500,
    };
    let scene = Scene {
        seed: 1,
        number: 0,
        client,
        concurrency: 1,
        retries: false,
        in_flight: 0,
        steps: planned.map(step).collect(),
    };
    let scene = Arc::new(scene);
    let played = play(&scene, &Certs::new("peer.test"), false).await.unwrap();
    (scene, played)
}

/// A client of HTTP/1 and one of HTTP/2, both with failures.
async fn scenes() -> [(Arc<Scene>, Played); 2] {
    use Fault::{CloseAfter, CloseUnanswered, Goodbye, Refused, ResetUnanswered, StreamReset};

    let find = |kind, http2| ALL.into_iter().find(|one| (one.kind, one.http2) == (kind, http2)).unwrap();
    let none = Upload::Nothing;
    let faults = [(CloseUnanswered, none), (ResetUnanswered, none), (CloseAfter, none), (Goodbye, none)];
    let http1 = scene(find(Kind::Outbound, false), &faults).await;
    let faults = [(ResetUnanswered, none), (Refused, none), (StreamReset, none)];
    [http1, scene(find(Kind::HyperConn, true), &faults).await]
}

/// Changes one record; `false` if the scene has none of that kind.
type Plant = fn(&mut Played) -> bool;

/// Plants one error, and expects that it is the only one that is counted.
async fn planted(field: Field, plants: &[(&str, Plant)]) {
    let scenes = scenes().await;
    for (name, plant) in plants {
        let mut places = 0;
        for (scene, played) in &scenes {
            let before = judge(scene, played);
            assert!(before.wrong.is_empty(), "{scene}: {:#?}", before.wrong);
            let mut played = played.clone();
            if plant(&mut played) {
                places += 1;
                let verdict = judge(scene, &played);
                let counts = Field::ALL.map(|field| verdict.count(field));
                let expected = Field::ALL.map(|one| usize::from(one == field));
                assert_eq!(counts, expected, "{name}: {scene}: {:#?}", verdict.wrong);
            }
        }
        assert!(places > 0, "{name}: no place");
    }
}

/// The first attempt that fits.
fn attempt(played: &mut Played, fits: impl Fn(&AttemptReport) -> bool) -> Option<&mut AttemptReport> {
    played.reported.attempts.iter_mut().find(|report| fits(report))
}

/// The number of the request of an attempt, and the peer's side of its connection.
fn seen(played: &Played, id: u64) -> Option<(&PeerConnection, u32)> {
    played.peer.iter().find_map(|connection| {
        let request = connection.requests.iter().find(|request| request.attempt == id)?;
        Some((connection, request.number))
    })
}

fn is_http2(played: &Played) -> bool {
    played.peer.iter().all(|connection| connection.http2)
}

fn is_ok(report: &AttemptReport) -> bool {
    report.end == End::Ok && report.connection.is_some()
}

/// A later use of its connection.
fn is_reused(report: &AttemptReport) -> bool {
    is_ok(report) && report.reuse == Reuse::Reused
}

fn failed_as(report: &AttemptReport, state: SendState) -> bool {
    matches!(report.end, End::Failed(_, _, Some(found)) if found == state)
}

fn set_state(report: &mut AttemptReport, state: SendState) {
    if let End::Failed(_, _, found) = &mut report.end {
        *found = Some(state);
    }
}

/// Makes both sides agree that a request was cut amid its sending.
fn partial(played: &mut Played) -> Option<&mut AttemptReport> {
    let requests = played.peer.iter_mut().filter(|one| !one.http2).flat_map(|one| &mut one.requests);
    let attempts = &mut played.reported.attempts;
    let (request, report) = requests.into_iter().find_map(|request| {
        let found =
            attempts.iter().position(|one| one.id == request.attempt && failed_as(one, SendState::Sent));
        found.map(|at| (request, at))
    })?;
    let report = &mut attempts[report];
    request.whole = false;
    set_state(report, SendState::Partial(request.wire));
    set_phase(report, Phase::Send);
    report.phases.retain(|(phase, ..)| *phase <= Phase::Send);
    report.phases.last_mut()?.2 = report.end_at;
    Some(report)
}

fn set_phase(report: &mut AttemptReport, phase: Phase) {
    if let End::Failed(_, found, _) = &mut report.end {
        *found = Some(phase);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_cut_request_that_agrees_is_right() {
    let [(scene, mut played), _] = scenes().await;
    assert!(partial(&mut played).is_some());
    let verdict = judge(&scene, &played);
    assert!(verdict.wrong.is_empty(), "{:#?}", verdict.wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_connection_is_counted() {
    planted(
        Field::Connection,
        &[
            ("another connection", |played| {
                let others: Vec<_> =
                    played.reported.connections.iter().map(|one| (one.id, one.port)).collect();
                let http2 = is_http2(played);
                let Some(report) = attempt(played, is_ok).filter(|_| !http2) else { return false };
                let Some(serving) = &mut report.connection else { return false };
                let Some(other) = others.into_iter().find(|(id, _)| *id != serving.id) else { return false };
                (serving.id, serving.port) = other;
                true
            }),
            ("read by no peer", |played| {
                let Some(id) = attempt(played, is_reused).map(|report| report.id) else { return false };
                let requests = played.peer.iter_mut().flat_map(|connection| &mut connection.requests);
                requests.filter(|request| request.attempt == id).for_each(|request| request.attempt = 0);
                true
            }),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_use_is_counted() {
    planted(
        Field::Use,
        &[
            ("off by one", |played| {
                let http2 = is_http2(played);
                let Some(report) = attempt(played, is_ok).filter(|_| !http2) else { return false };
                report.usage = report.usage.map(|number| number + 1);
                true
            }),
            ("that of another stream", |played| {
                let http2 = is_http2(played);
                let Some(report) = attempt(played, is_reused).filter(|_| http2) else { return false };
                report.usage = report.usage.map(|number| number + 1);
                true
            }),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_reuse_is_counted() {
    planted(
        Field::Reuse,
        &[
            ("new on a later use", |played| {
                let Some(report) = attempt(played, is_reused) else { return false };
                report.reuse = Reuse::New;
                true
            }),
            ("reused on the first use", |played| {
                let http2 = is_http2(played);
                let first = |report: &AttemptReport| is_ok(report) && report.reuse == Reuse::New;
                let Some(report) = attempt(played, first).filter(|_| !http2) else { return false };
                report.reuse = Reuse::Reused;
                true
            }),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_unknown_reuse_is_counted() {
    let [(scene, mut played), _] = scenes().await;
    let report = attempt(&mut played, is_ok).unwrap();
    (report.connection, report.usage, report.reuse) = (None, None, Reuse::Unknown);
    let verdict = judge(&scene, &played);
    assert_eq!((verdict.wrong.len(), verdict.unknown_reuse.len()), (0, 1), "{:#?}", verdict.wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_send_state_is_counted() {
    planted(
        Field::SendState,
        &[
            ("not sent, but read", |played| {
                let sent = |report: &AttemptReport| failed_as(report, SendState::Sent);
                let ids: Vec<_> =
                    played.reported.attempts.iter().filter(|one| sent(one)).map(|one| one.id).collect();
                let Some(id) = ids.into_iter().find(|id| seen(played, *id).is_some()) else { return false };
                let Some(report) = attempt(played, |report| report.id == id) else { return false };
                set_state(report, SendState::NotSent);
                true
            }),
            ("sent, but not read whole", |played| {
                let Some(report) = partial(played) else { return false };
                let id = report.id;
                set_state(report, SendState::Sent);
                let requests = played.peer.iter_mut();
                requests
                    .filter(|connection| connection.requests.iter().any(|request| request.attempt == id))
                    .for_each(|connection| connection.to_the_end = true);
                true
            }),
            ("partial, one byte more", |played| {
                let Some(report) = partial(played) else { return false };
                if let End::Failed(_, _, Some(SendState::Partial(bytes))) = &mut report.end {
                    *bytes += 1;
                }
                true
            }),
            ("unknown on HTTP/1", |played| {
                let http2 = is_http2(played);
                let sent = |report: &AttemptReport| failed_as(report, SendState::Sent);
                let Some(report) = attempt(played, sent).filter(|_| !http2) else { return false };
                set_state(report, SendState::Unknown);
                true
            }),
            ("unknown, but refused", |played| {
                let refused = |report: &AttemptReport| failed_as(report, SendState::NotProcessed);
                let ids: Vec<_> =
                    played.reported.attempts.iter().filter(|one| refused(one)).map(|one| one.id).collect();
                let Some(id) = ids.into_iter().find(|id| {
                    seen(played, *id).is_some_and(|(connection, _)| connection.end != PeerEnd::Reset)
                }) else {
                    return false;
                };
                let Some(report) = attempt(played, |report| report.id == id) else { return false };
                set_state(report, SendState::Unknown);
                true
            }),
            ("not processed, but only reset", |played| {
                let http2 = is_http2(played);
                let unknown =
                    |report: &AttemptReport| failed_as(report, SendState::Unknown) && !report.has_head;
                let ids: Vec<_> =
                    played.reported.attempts.iter().filter(|one| unknown(one)).map(|one| one.id).collect();
                let Some(id) = ids.into_iter().find(|id| seen(played, *id).is_some()).filter(|_| http2)
                else {
                    return false;
                };
                let Some(report) = attempt(played, |report| report.id == id) else { return false };
                set_state(report, SendState::NotProcessed);
                true
            }),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_phase_is_counted() {
    planted(
        Field::Phase,
        &[
            ("out of order", |played| {
                let Some(report) = attempt(played, is_ok) else { return false };
                report.phases.swap(0, 1);
                true
            }),
            ("a gap", |played| {
                let Some(report) = attempt(played, is_ok) else { return false };
                let Some((_, start, _)) = report.phases.last_mut() else { return false };
                *start += Duration::from_nanos(1);
                true
            }),
            ("not the whole", |played| {
                let Some(report) = attempt(played, is_ok) else { return false };
                report.end_at += Duration::from_nanos(1);
                true
            }),
            ("answered before the peer wrote", |played| {
                let Some(report) = attempt(played, |report| is_ok(report) && report.times.queue.is_none())
                else {
                    return false;
                };
                // Everything before it moves too, so that the order stays.
                let start = Some(Duration::ZERO);
                let times = &mut report.times;
                (times.acquire, times.send_start, times.first_byte) = (start, start, start);
                true
            }),
            ("answered early, but after the whole request", |played| {
                let Some(report) = attempt(played, |report| is_ok(report) && !report.answered_early) else {
                    return false;
                };
                report.answered_early = true;
                true
            }),
            ("sent, in send", |played| {
                let sent = |report: &AttemptReport| failed_as(report, SendState::Sent) && !report.has_head;
                let Some(report) = attempt(played, sent) else { return false };
                set_phase(report, Phase::Send);
                true
            }),
            ("partial, in wait", |played| {
                let Some(report) = partial(played) else { return false };
                set_phase(report, Phase::Wait);
                true
            }),
            ("in the body, before a head", |played| {
                let failed =
                    |report: &AttemptReport| matches!(report.end, End::Failed(..)) && !report.has_head;
                let Some(report) = attempt(played, failed) else { return false };
                set_phase(report, Phase::Body);
                true
            }),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_bytes_are_counted() {
    planted(
        Field::Bytes,
        &[
            ("one more of the answer's body", |played| {
                let Some(report) = attempt(played, is_ok) else { return false };
                report.response_body += 1;
                true
            }),
            ("one more of the request's body", |played| {
                let Some(report) = attempt(played, |report| is_ok(report) && !report.answered_early) else {
                    return false;
                };
                report.request_body += 1;
                true
            }),
            ("one less of the connection, out", |played| {
                let ports: Vec<_> = played
                    .peer
                    .iter()
                    .filter(|one| one.to_the_end && one.requests.iter().all(|request| request.whole))
                    .map(|one| one.port)
                    .collect();
                let connections = &mut played.reported.connections;
                let Some(report) = connections.iter_mut().find(|one| ports.contains(&one.port)) else {
                    return false;
                };
                report.bytes_out -= 1;
                true
            }),
            ("more of the connection, in", |played| {
                let Some(report) = played.reported.connections.first_mut() else { return false };
                report.bytes_in += 1 << 40;
                true
            }),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_planted_wrong_close_reason_is_counted() {
    planted(
        Field::CloseReason,
        &[
            ("idle, but the peer closed", |played| {
                let connections = &mut played.reported.connections;
                let closed = |reason| reason == Some(CloseReason::PeerClosed);
                let Some(report) = connections.iter_mut().find(|one| closed(one.closed)) else {
                    return false;
                };
                report.closed = Some(CloseReason::IdleTimeout);
                true
            }),
            ("peer closed, but the client was dropped", |played| {
                let connections = &mut played.reported.connections;
                let dropped = |reason| reason == Some(CloseReason::Dropped);
                let Some(report) = connections.iter_mut().find(|one| dropped(one.closed)) else {
                    return false;
                };
                report.closed = Some(CloseReason::PeerClosed);
                true
            }),
            ("no close", |played| {
                let Some(report) = played.reported.connections.first_mut() else { return false };
                report.closed = None;
                true
            }),
        ],
    )
    .await;
}
