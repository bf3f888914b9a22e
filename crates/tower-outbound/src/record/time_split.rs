//! [`TimeSplit`]: how an attempt has spent its time.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Phase;
use crate::record::{Attempt, current_phase};

/// The phases of an attempt, in their order.
const OF_ATTEMPT: [Phase; 6] =
    [Phase::Queue, Phase::Acquire, Phase::Send, Phase::Wait, Phase::Head, Phase::Body];

/// How an attempt has spent its time: the duration of each phase, of the running one until now.
///
/// The phases of a connect (dns, tcp, tunnel, tls) that the attempt started are no part of `acquire`, so that the durations
/// add up to the [total](Self::total).
///
/// `Display` is one line in milliseconds, of the phases that took at least 0.05 ms: `tcp 0.3 tls 4.1 send 0.1 wait 95.5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeSplit {
    start: Instant,
    end: Instant,
    phases: [Duration; Phase::ALL.len()],
}

impl TimeSplit {
    /// How this attempt has spent its time until this instant, or until its end.
    pub(crate) fn of(attempt: &Attempt, at: Instant) -> Self {
        let (start, end) = (attempt.start_time(), attempt.end_time().unwrap_or(at));
        let mut split = Self { start, end, phases: [Duration::ZERO; Phase::ALL.len()] };
        let timings = attempt.timings();
        let (current, since) = current_phase(attempt);
        for phase in OF_ATTEMPT {
            let span = if phase == current { Some((since, end)) } else { timings.span(phase) };
            if let Some((from, to)) = span {
                split.add(phase, from, to);
                if phase == Phase::Acquire {
                    split.add_setup(attempt, from, to);
                }
            }
            if phase == current {
                break;
            }
        }
        split
    }

    fn add(&mut self, phase: Phase, from: Instant, to: Instant) {
        let phase = &mut self.phases[index(phase)];
        *phase = phase.saturating_add(to.saturating_duration_since(from));
    }

    /// Replaces the part of `acquire` in which a connect of the attempt ran.
    fn add_setup(&mut self, attempt: &Attempt, from: Instant, to: Instant) {
        let Some(setup) = attempt.setup().filter(|setup| setup.started_by() == Some(attempt.id())) else {
            return;
        };
        let ended = setup.phases().into_iter().map(|ended| (ended.phase, ended.start, ended.end));
        let since = setup.last_end_since(setup.start_time()).unwrap_or_else(|| setup.start_time());
        let running = setup.running_phase().map(|phase| (phase, since, to));
        for (phase, start, end) in ended.chain(running) {
            let (start, end) = (start.max(from), end.min(to));
            self.add(phase, start, end);
            let acquire = &mut self.phases[index(Phase::Acquire)];
            *acquire = acquire.saturating_sub(end.saturating_duration_since(start));
        }
    }

    /// The time that the attempt spent in this phase. Zero for [`Phase::Backoff`], which is no part of an attempt.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Duration {
        self.phases[index(phase)]
    }

    /// When the attempt began.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// From the beginning of the attempt to its end, or until now.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.end.saturating_duration_since(self.start)
    }
}

fn index(phase: Phase) -> usize {
    Phase::ALL.iter().position(|each| *each == phase).unwrap_or_default()
}

impl fmt::Display for TimeSplit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_phases(f, |phase| self.phase(phase))
    }
}

/// Writes the phases that have a duration, in milliseconds.
pub(crate) fn write_phases(f: &mut fmt::Formatter<'_>, spent: impl Fn(Phase) -> Duration) -> fmt::Result {
    let mut space = "";
    for phase in Phase::ALL {
        let ms = spent(*phase).as_secs_f64() * 1e3;
        if ms >= 0.05 {
            write!(f, "{space}{phase} {ms:.1}")?;
            space = " ";
        }
    }
    if space.is_empty() { f.write_str("no phase") } else { Ok(()) }
}
