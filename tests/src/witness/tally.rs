//! The sum of all scenes.

use std::fmt;
use std::time::Duration;

use super::judge::{Field, Verdict};
use crate::latency::percentile;

/// The first byte is reported within this time of the peer's write, at the median.
pub const FIRST_BYTE: Duration = Duration::from_micros(100);

/// The sum of the verdicts of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that were called.
    pub requests: usize,
    /// Connections that the peers accepted.
    pub connections: usize,
    /// Attempts that failed.
    pub failures: usize,
    /// Wrong reports, in the order of [`Field::ALL`].
    pub wrong: [usize; Field::ALL.len()],
    /// Unknown reuse.
    pub unknown_reuse: usize,
    /// Unknown send states.
    pub unknown_send: usize,
    /// Calls and connections without an end.
    pub unfinished: usize,
    pub(super) first_bytes: Vec<Duration>,
    pub(super) captured: Vec<Duration>,
}

impl Tally {
    /// Adds the verdict of a scene.
    pub fn add(&mut self, requests: usize, unfinished: usize, verdict: &Verdict) {
        self.requests += requests;
        self.unfinished += unfinished;
        self.connections += verdict.connections;
        self.failures += verdict.failures;
        for (count, field) in self.wrong.iter_mut().zip(Field::ALL) {
            *count += verdict.count(field);
        }
        self.unknown_reuse += verdict.unknown_reuse.len();
        self.unknown_send += verdict.unknown_send.len();
        extend(&mut self.first_bytes, &verdict.first_bytes);
        extend(&mut self.captured, &verdict.captured);
    }

    /// The median time from the peer's write to the reported first byte, and of how many.
    #[must_use]
    pub fn first_byte(&self) -> Option<(Duration, usize)> {
        median(&self.first_bytes)
    }

    /// The median time between the first packet of an answer and the reported first byte, and of how many.
    #[must_use]
    pub fn captured(&self) -> Option<(Duration, usize)> {
        median(&self.captured)
    }

    /// Whether every report was right. The first byte's time is not part of it.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.wrong.iter().all(|count| *count == 0) && self.unknown_reuse == 0 && self.unfinished == 0
    }
}

/// The first scenes are enough, and memory stays bounded.
fn extend(all: &mut Vec<Duration>, more: &[Duration]) {
    let room = 10_000_usize.saturating_sub(all.len());
    all.extend(more.iter().take(room));
}

fn median(all: &[Duration]) -> Option<(Duration, usize)> {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    (!sorted.is_empty()).then(|| (percentile(&sorted, 50.0), sorted.len()))
}

/// The last line of a run.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { requests, connections, failures, unknown_reuse, unknown_send, .. } = self;
        write!(f, "witness: {requests} requests, {connections} connections, {failures} failures; wrong:")?;
        for (at, (count, field)) in self.wrong.iter().zip(Field::ALL).enumerate() {
            write!(f, "{} {field} {count}", if at == 0 { "" } else { "," })?;
        }
        write!(f, "; unknown: reuse {unknown_reuse}, send state {unknown_send} of {failures}")
    }
}
