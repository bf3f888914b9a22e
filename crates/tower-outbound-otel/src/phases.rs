//! The phases of an attempt that ended.

use std::time::Duration;

use tower_outbound::{Outcome, Phase};

use crate::ended::Ended;

/// A phase that took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhaseSpan {
    pub(crate) phase: Phase,
    /// Since the start of the attempt, as `end`.
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// The attempt failed or was cancelled in this phase.
    pub(crate) cut: bool,
}

impl PhaseSpan {
    pub(crate) fn duration(self) -> Duration {
        self.end.saturating_sub(self.start)
    }
}

/// Those of an attempt, in their order.
pub(crate) const PHASES: [Phase; 6] =
    [Phase::Queue, Phase::Acquire, Phase::Send, Phase::Wait, Phase::Head, Phase::Body];

/// The phase in which the attempt failed or was cancelled. Phases of a connect are part of `acquire`.
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

/// The phases of an attempt; `None` for one that did not take place.
pub(crate) type PhaseSpans = [Option<PhaseSpan>; PHASES.len()];

/// The phases in their order, each at most once. The phase that was cut ends with the attempt.
pub(crate) fn phases<'a>(ended: &'a Ended<'_>) -> impl Iterator<Item = PhaseSpan> + use<'a> {
    ended.phases.get_or_init(|| phase_spans(ended)).iter().copied().flatten()
}

fn phase_spans(ended: &Ended<'_>) -> PhaseSpans {
    let timings = ended.attempt.timings();
    let (attempt_end, cut_in) = (ended.took, cut_in(ended.outcome));
    let mut last = Duration::ZERO;
    PHASES.map(|phase| {
        let cut = cut_in == Some(phase);
        let (start, end) = match timings.elapsed(phase) {
            Some((start, _)) if cut => (start, attempt_end),
            Some(span) => span,
            None if cut => (last, attempt_end),
            None => return None,
        };
        last = end;
        Some(PhaseSpan { phase, start, end, cut })
    })
}
