//! The phases of an attempt that is over.

use tokio::time::Instant;
use tower_outbound::{Attempt, Outcome, Phase};

/// One phase that took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Took {
    pub(crate) phase: Phase,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// The failure or the cancellation was in it.
    pub(crate) cut: bool,
}

const PHASES: [Phase; 6] = [Phase::Queue, Phase::Acquire, Phase::Send, Phase::Wait, Phase::Head, Phase::Body];

/// In which phase an attempt was cut; the phases of a setup are part of its wait for a connection.
fn cut_in(outcome: &Outcome) -> Option<Phase> {
    let phase = match outcome {
        Outcome::Failed(failure) => failure.phase()?,
        Outcome::Cancelled { phase, .. } => *phase,
        _ => return None,
    };
    Some(match phase {
        Phase::Dns | Phase::Tcp | Phase::Tunnel | Phase::Tls => Phase::Acquire,
        phase => phase,
    })
}

/// The phases in their order, each at most once; the one that was cut ends with the attempt.
pub(crate) fn of(attempt: &Attempt, outcome: &Outcome, end: Instant) -> impl Iterator<Item = Took> {
    let timings = attempt.timings();
    let cut_in = cut_in(outcome);
    let mut last = attempt.start_time();
    PHASES.into_iter().filter_map(move |phase| {
        let span = timings.span(phase);
        let cut = cut_in == Some(phase);
        let took = match span {
            Some((start, _)) if cut => Took { phase, start, end, cut },
            Some((start, end)) => Took { phase, start, end, cut },
            None if cut => Took { phase, start: last, end, cut },
            None => return None,
        };
        last = took.end;
        Some(took)
    })
}
