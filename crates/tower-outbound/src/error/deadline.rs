//! [`DeadlineElapsed`]: the deadline of a call has passed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Phase;
use crate::record::{Attempt, Call, TimeSplit, write_phases};

/// `Display` shows this many attempts, the last ones.
const SHOWN: usize = 4;

/// The deadline of a call has passed: the [`source`](StdError::source) of an [`Error`](crate::Error) whose kind is
/// [`DeadlineExceeded`](crate::Kind::DeadlineExceeded). It says in which phase the deadline struck, and how the time was spent.
///
/// `Display` is one line: `the deadline passed in wait, after 300.0 ms: tcp 0.3 send 0.1 wait 299.6`.
///
/// # Example
/// ```
/// use std::error::Error as _;
/// use tower_outbound::deadline::DeadlineElapsed;
/// use tower_outbound::{Error, Phase};
///
/// fn log(error: &Error) {
///     let source = error.source().and_then(|source| source.downcast_ref());
///     if let Some(elapsed) = source {
///         let elapsed: &DeadlineElapsed = elapsed;
///         println!("{elapsed}");
///         println!("{:?} of {:?} for the peer", elapsed.spent(Phase::Wait), elapsed.total());
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct DeadlineElapsed {
    phase: Option<Phase>,
    had_passed: bool,
    total: Duration,
    attempts: Box<[TimeSplit]>,
}

impl DeadlineElapsed {
    /// The deadline cuts this attempt. `phase`: the one that runs.
    pub(crate) fn in_attempt(attempt: &Attempt, phase: Phase, had_passed: bool) -> Self {
        let now = Instant::now();
        let mut attempts = attempt.call().earlier_attempts();
        attempts.push(TimeSplit::of(attempt, now));
        Self::new(Some(phase), had_passed, attempts, now)
    }

    /// The deadline cuts a call between two attempts.
    pub(crate) fn between_attempts(call: &Call) -> Self {
        Self::new(Some(Phase::Backoff), false, call.earlier_attempts(), Instant::now())
    }

    /// The deadline cuts a request, of whose attempts nothing is known, after this time.
    pub(crate) fn unobserved(phase: Option<Phase>, had_passed: bool, total: Duration) -> Self {
        Self { phase, had_passed, total, attempts: Box::default() }
    }

    fn new(phase: Option<Phase>, had_passed: bool, attempts: Vec<TimeSplit>, now: Instant) -> Self {
        let total = attempts.first().map(|first| now.saturating_duration_since(first.start()));
        Self { phase, had_passed, total: total.unwrap_or_default(), attempts: attempts.into() }
    }

    /// The phase in which the deadline struck; `None` if no layer below the
    /// [`DeadlineLayer`](crate::deadline::DeadlineLayer) observes attempts.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// Whether the deadline had passed before the call began. Nothing was sent.
    #[must_use]
    pub fn had_passed(&self) -> bool {
        self.had_passed && self.attempts.len() <= 1
    }

    /// From the beginning of the call's first attempt until the deadline cut the call.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The time that all attempts spent in this phase; [`Phase::Backoff`] is the time between the attempts. Together, the
    /// phases take the [total](Self::total).
    #[must_use]
    pub fn spent(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Backoff if self.attempts.is_empty() => Duration::ZERO,
            Phase::Backoff => self.total.saturating_sub(self.attempts.iter().map(TimeSplit::total).sum()),
            _ => self.attempts.iter().map(|attempt| attempt.phase(phase)).sum(),
        }
    }

    /// How each attempt of the call has spent its time, in their order. The last one was cut, unless the deadline struck in
    /// [`Phase::Backoff`]. Empty if no layer observes attempts.
    #[must_use]
    pub fn attempts(&self) -> &[TimeSplit] {
        &self.attempts
    }
}

impl fmt::Display for DeadlineElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.had_passed() {
            return f.write_str("the deadline had passed before the call began: nothing was sent");
        }
        f.write_str("the deadline passed")?;
        if let Some(phase) = self.phase {
            write!(f, " in {phase}")?;
        }
        write!(f, ", after {:.1} ms", self.total.as_secs_f64() * 1e3)?;
        match self.attempts.len() {
            0 => return Ok(()),
            1 => f.write_str(": ")?,
            attempts => write!(f, " and {attempts} attempts: ")?,
        }
        write_phases(f, |phase| self.spent(phase))?;
        if self.attempts.len() == 1 {
            return Ok(());
        }
        let hidden = self.attempts.len().saturating_sub(SHOWN);
        f.write_str(if hidden > 0 { " (…" } else { " (" })?;
        for (at, attempt) in self.attempts.iter().enumerate().skip(hidden) {
            let separator = if at > 0 { "; " } else { "" };
            write!(f, "{separator}attempt {}: {attempt}", at + 1)?;
        }
        f.write_str(")")
    }
}

impl StdError for DeadlineElapsed {
    /// tonic's own error, from which tonic makes the status that it makes without the layers.
    #[cfg(feature = "tonic")]
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        static EXPIRED: tonic::TimeoutExpired = tonic::TimeoutExpired(());
        Some(&EXPIRED)
    }
}
