//! What goes wrong, one after another.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::peers::{Mode, Peer, Peers};
use super::report::errors;
use crate::metrics::Page;

/// A pause between two faults, so that most messages are delivered.
const QUIET: Duration = Duration::from_millis(400);
const SHORTEST: Duration = Duration::from_millis(150);
/// A fault lasts until the service has reported it, for as long as this.
const LONGEST: Duration = Duration::from_secs(8);

/// Each mode of the webhook, and the class that it leads to.
const FAULTS: [(Mode, &str); 4] = [
    (Mode::Killed, "connection_refused"),
    (Mode::Resets, "connection_reset"),
    (Mode::Garbles, "network_error"),
    (Mode::Hangs, "timeout"),
];

/// Plays faults until the end. Returns what was not reported.
pub(super) async fn play(peers: Peers, page: Page, end: Instant) -> Vec<String> {
    let mut problems = Vec::new();
    for round in 0_usize.. {
        for (mode, class) in FAULTS {
            sleep(QUIET).await;
            if Instant::now() >= end {
                return problems;
            }
            if let Err(problem) = one(&peers.webhook, mode, class, &page, end).await {
                problems.push(problem);
            }
        }
        // The storages too: what is uploaded meanwhile is for later.
        let storage = if round.is_multiple_of(2) { &peers.storage } else { &peers.s3 };
        sleep(QUIET).await;
        storage.set(FAULTS[round % FAULTS.len()].0);
        sleep(SHORTEST).await;
        storage.set(Mode::Serves);
    }
    problems
}

async fn one(peer: &Peer, mode: Mode, class: &str, page: &Page, end: Instant) -> Result<(), String> {
    let count = || page.text().map(|text| errors(&text).get(class).copied().unwrap_or_default());
    let begun = Instant::now();
    let before = count().map_err(|error| error.to_string())?;
    peer.set(mode);
    sleep(SHORTEST).await;
    let mut reported = count().is_ok_and(|now| now > before);
    while !reported && begun.elapsed() < LONGEST && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
        reported = count().is_ok_and(|now| now > before);
    }
    peer.set(Mode::Serves);
    match reported || Instant::now() >= end {
        true => Ok(()),
        false => Err(format!("{mode:?}: no {class} within {LONGEST:?}")),
    }
}
