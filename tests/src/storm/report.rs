//! What a storm found.

use std::fmt;

use super::left::Left;
use super::run::Settings;
use super::tally::Ends;

/// More lines of this kind are not printed.
const LINES: usize = 20;

/// What a storm found. Its `Display` is several lines; the last one is the result.
#[derive(Clone, Debug)]
pub struct Report {
    pub(super) settings: Settings,
    pub(super) ends: Ends,
    pub(super) stuck: u64,
    pub(super) left: Left,
    /// The attempts of calls without an end.
    pub(super) late: Vec<String>,
    /// What has not ended, by the events.
    pub(super) open: Vec<String>,
}

impl Report {
    /// The number of calls without an end.
    #[must_use]
    pub fn without_end(&self) -> u64 {
        self.ends.without.len() as u64 + self.stuck
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> Left {
        self.left
    }

    /// Whether every call ended and nothing is left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.without_end() == 0 && self.left == Left::default()
    }

    /// The number of calls that were answered, that failed, and that were cancelled.
    #[must_use]
    pub fn ends(&self) -> [u64; 3] {
        self.ends.counts.values().fold([0; 3], |[answered, failed, cancelled], counts| {
            [answered + counts.answered, failed + counts.failed, cancelled + counts.cancelled]
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { settings, ends, stuck, left, late, open } = self;
        writeln!(f, "{:<23} {:>9} {:>9} {:>9} {:>9}", "", "calls", "answered", "failed", "cancelled")?;
        for ((http2, act), counts) in &ends.counts {
            let name = format!("HTTP/{} {}", if *http2 { 2 } else { 1 }, act.name());
            let (answered, failed, cancelled) = (counts.answered, counts.failed, counts.cancelled);
            writeln!(f, "{name:<23} {:>9} {answered:>9} {failed:>9} {cancelled:>9}", counts.calls())?;
        }
        let kinds: Vec<_> = ends.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(f, "failures: {}", kinds.join(", "))?;
        for call in ends.without.iter().take(LINES) {
            writeln!(f, "without an end: {call:?}")?;
        }
        for late in late.iter().take(LINES) {
            writeln!(f, "ended by the watchdog: {late}")?;
        }
        if *stuck > 0 {
            writeln!(f, "{stuck} callers did not come back: their calls block a thread, or panicked")?;
        }
        for open in open.iter().take(LINES) {
            writeln!(f, "left: {open}")?;
        }
        if open.len() > LINES {
            writeln!(f, "left: {} more of that kind", open.len() - LINES)?;
        }
        if !self.is_clean() {
            writeln!(f, "again: storm --calls {} --seed {}", settings.calls, settings.seed)?;
        }
        let Left { sockets, tasks, permits, gauges } = left;
        write!(
            f,
            "storm: {} calls, {} without an end; left: {sockets} sockets, {tasks} tasks, {permits} permits, {gauges} gauges",
            settings.calls,
            self.without_end()
        )
    }
}
