//! [`Minute`]: what happened in the last minute, in slices that are overwritten.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;
use tower_outbound::{Outcome, Phase, Reuse};

use crate::reason::Reason;

/// The length of a slice.
const SLICE: Duration = Duration::from_secs(10);
/// The slices of a minute, and the one that is being filled.
const SLICES: usize = 7;
/// In µs: what takes longer counts as this.
const LONGEST: u64 = 3_600_000_000;

/// How many requests ended how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ok: u64,
    pub(crate) cancelled: u64,
    pub(crate) failures: BTreeMap<Reason, u64>,
    pub(crate) new: u64,
    pub(crate) reused: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, end: &End<'_>) {
        match (end.reason, end.outcome) {
            (Some(reason), _) => *self.failures.entry(reason).or_default() += 1,
            (None, Outcome::Cancelled { .. }) => self.cancelled += 1,
            (None, _) => self.ok += 1,
        }
        match end.reuse {
            Reuse::New => self.new += 1,
            Reuse::Reused => self.reused += 1,
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.ok += other.ok;
        self.cancelled += other.cancelled;
        self.new += other.new;
        self.reused += other.reused;
        for (reason, count) in &other.failures {
            *self.failures.entry(*reason).or_default() += count;
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.ok + self.cancelled + self.failed()
    }

    /// The share of requests on a connection that had served another one; `None` if no request had a connection.
    pub(crate) fn reuse_rate(&self) -> Option<f64> {
        let served = self.new + self.reused;
        (served > 0).then(|| self.reused as f64 / served as f64)
    }
}

/// The end of an attempt.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) outcome: &'a Outcome,
    pub(crate) reason: Option<Reason>,
    pub(crate) reuse: Reuse,
    pub(crate) phases: &'a [(Phase, Duration)],
}

/// Durations in µs, exact to two digits.
pub(crate) type Durations = Histogram<u32>;

fn durations() -> Durations {
    Histogram::new_with_bounds(1, LONGEST, 1).expect("the bounds are constant and valid")
}

#[derive(Debug, Default)]
struct Slice {
    /// The slices since the start of the page.
    number: u64,
    counts: Counts,
    phases: BTreeMap<Phase, Durations>,
}

/// What happened in the last minute.
#[derive(Debug)]
pub(crate) struct Minute {
    start: Instant,
    slices: [Slice; SLICES],
}

/// The sum of its slices.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) counts: Counts,
    pub(crate) phases: BTreeMap<Phase, Durations>,
}

impl Minute {
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, slices: Default::default() }
    }

    fn number(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_secs() / SLICE.as_secs()
    }

    pub(crate) fn add(&mut self, at: Instant, end: &End<'_>) {
        let number = self.number(at);
        let index = usize::try_from(number % SLICES as u64).expect("fewer slices than a usize holds");
        let slice = &mut self.slices[index];
        if slice.number < number {
            // The histograms are kept: the phases of an origin seldom change.
            slice.number = number;
            slice.counts = Counts::default();
            slice.phases.values_mut().for_each(Histogram::reset);
        }
        slice.counts.add(end);
        for (phase, took) in end.phases {
            let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
            slice.phases.entry(*phase).or_insert_with(durations).saturating_record(micros);
        }
    }

    pub(crate) fn sum(&self, at: Instant) -> Sum {
        let number = self.number(at);
        let mut sum = Sum::default();
        for slice in self.slices.iter().filter(|slice| slice.number + SLICES as u64 > number) {
            sum.counts.merge(&slice.counts);
            for (phase, of_slice) in slice.phases.iter().filter(|(_, durations)| !durations.is_empty()) {
                let durations = sum.phases.entry(*phase).or_insert_with(durations);
                durations.add(of_slice).expect("all have the same bounds");
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn minute_forgets_what_is_older() {
        let mut minute = Minute::new(Instant::now());
        let phases = [(Phase::Wait, Duration::from_millis(10))];
        let end = End { outcome: &Outcome::Ok, reason: None, reuse: Reuse::New, phases: &phases };
        minute.add(Instant::now(), &end);
        advance(Duration::from_secs(59)).await;
        minute.add(Instant::now(), &end);
        let sum = minute.sum(Instant::now());
        assert_eq!((sum.counts.requests(), sum.phases[&Phase::Wait].len()), (2, 2));
        advance(Duration::from_secs(11)).await;
        assert_eq!(minute.sum(Instant::now()).counts.requests(), 1);
        // The slice of the first one is filled again.
        minute.add(Instant::now(), &end);
        assert_eq!(minute.sum(Instant::now()).phases[&Phase::Wait].len(), 2);
        advance(Duration::from_secs(600)).await;
        assert_eq!(minute.sum(Instant::now()).counts.requests(), 0);
    }

    #[test]
    fn percentiles_are_within_a_tenth() {
        let mut minute = Minute::new(Instant::now());
        for ms in 1..=100 {
            let phases = [(Phase::Wait, Duration::from_millis(ms))];
            let end = End { outcome: &Outcome::Ok, reason: None, reuse: Reuse::Reused, phases: &phases };
            minute.add(Instant::now(), &end);
        }
        let sum = minute.sum(Instant::now());
        let at = |quantile| sum.phases[&Phase::Wait].value_at_quantile(quantile) as f64 / 1e3;
        assert!((45.0..=55.0).contains(&at(0.5)), "{}", at(0.5));
        assert!((90.0..=110.0).contains(&at(0.99)), "{}", at(0.99));
    }
}
