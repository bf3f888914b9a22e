//! Converts instants to system time.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// One pair of instant and system time. All times of a span tree derive from it, so that a step of the system clock
/// cannot make a phase negative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    /// Reads both clocks together: an instant from before would make every time late by what has passed since.
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }

    pub(crate) fn at(&self, instant: Instant) -> SystemTime {
        let time = match instant.checked_duration_since(self.instant) {
            Some(after) => self.time.checked_add(after),
            None => self.time.checked_sub(self.instant.saturating_duration_since(instant)),
        };
        time.unwrap_or(self.time)
    }

    /// The start and the end of a phase's span. Both may be one reading of the clock, and Jaeger warns of a span that does not
    /// end after its start: such a span begins a nanosecond earlier.
    pub(super) fn of(&self, start: Instant, end: Instant) -> (SystemTime, SystemTime) {
        let (start, end) = (self.at(start), self.at(end));
        (if start < end { start } else { end - Duration::from_nanos(1) }, end)
    }

    /// The same in nanoseconds of Unix time; 0 before 1970.
    pub(super) fn nanoseconds(&self) -> impl Fn(Instant) -> u64 + use<> {
        let (zero, time) = (self.instant, self.time.duration_since(SystemTime::UNIX_EPOCH));
        let base = nanoseconds(time.unwrap_or_default());
        move |instant| match instant.checked_duration_since(zero) {
            Some(after) => base.saturating_add(nanoseconds(after)),
            None => base.saturating_sub(nanoseconds(zero.saturating_duration_since(instant))),
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
