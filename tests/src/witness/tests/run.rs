//! A small run, its plan and its last line.

use std::sync::Arc;

use tokio::time::Instant;

use super::super::clients::{ALL, Kind};
use super::super::drive::waits_in_hyper;
use super::super::log::{PeerAnswer, PeerConnection, PeerEnd, PeerRequest};
use super::super::{Plan, Played, Scene, Tally, judge, play};
use crate::certs::Certs;

/// Scenes of every client, without the faults that are known to be reported wrong.
const PLAN: Plan = Plan { requests: 16 * 200, seed: 1, settled: true };

async fn scene(number: usize) -> (Arc<Scene>, Played) {
    let scene = Arc::new(PLAN.scene(number));
    let played = play(&scene, &Certs::new("peer.test"), false).await.unwrap();
    (scene, played)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn witness_small_run_has_nothing_wrong() {
    let mut tally = Tally::default();
    for number in 0..PLAN.scenes() {
        let (scene, played) = scene(number).await;
        let verdict = judge(&scene, &played);
        assert!(verdict.wrong.is_empty(), "{scene}: {:#?}", verdict.wrong);
        assert!(verdict.unknown_reuse.is_empty(), "{scene}: {:#?}", verdict.unknown_reuse);
        assert!(played.unfinished.is_empty(), "{scene}: {:?}", played.unfinished);
        tally.add(scene.steps.len(), 0, &verdict);
    }
    assert!(PLAN.scenes() >= ALL.len());
    assert!(tally.is_right() && tally.failures * 20 >= tally.requests, "{tally}");
    let (_, first_bytes) = tally.first_byte().unwrap();
    assert!(first_bytes > 100, "{first_bytes}");
}

#[test]
fn witness_plan_follows_from_seed() {
    let text = |seed| format!("{:?}", Plan { seed, ..PLAN }.scene(7));
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn witness_last_line_counts_each_kind() {
    let tally = Tally {
        requests: 9,
        connections: 8,
        failures: 7,
        wrong: [1, 2, 3, 4, 5, 6, 7],
        unknown_reuse: 2,
        unknown_send: 3,
        ..Tally::default()
    };
    let line = "witness: 9 requests, 8 connections, 7 failures; wrong: connection 1, use 2, reuse 3, send state 4, \
                phase 5, bytes 6, close reason 7; unknown: reuse 2, send state 3 of 7";
    assert_eq!(tally.to_string(), line);
    assert!(!tally.is_right());
}

/// What hyper leaves open where the layers do not see the IO is not theirs; anything else that is open is.
#[tokio::test]
async fn witness_leftover_of_hyper_is_only_a_whole_early_answer() {
    let reqwest = ALL.into_iter().find(|one| one.kind == Kind::Reqwest && !one.http2).unwrap();
    let scene = |client| Scene { client, ..PLAN.scene(2) };
    let answer =
        |after_whole| PeerAnswer { at: Instant::now(), after_whole, head: true, body: 2, whole: true };
    let left = |client, whole, after_whole| {
        let now = Instant::now();
        let request = PeerRequest {
            attempt: 1,
            step: 0,
            number: 1,
            first_read: now,
            last_read: now,
            wire: 9,
            body: 5,
            whole,
            answer: Some(answer(after_whole)),
            refusal: None,
            refused_at: None,
        };
        let connection = PeerConnection {
            port: 1,
            number: 0,
            http2: false,
            read: 9,
            written: 9,
            requests: vec![request],
            goodbye: None,
            garbage: false,
            end: PeerEnd::Open,
            end_at: now,
            to_the_end: false,
        };
        waits_in_hyper(&scene(client), &connection)
    };
    assert!(left(reqwest, true, false));
    assert!(!left(reqwest, false, false), "the upload goes on");
    assert!(!left(reqwest, true, true), "an answer like any other");
    assert!(!left(ALL[0], true, false), "the layers see the IO");
}
