//! Which attempts are kept although their trace is not sampled.

use std::time::Duration;

use crate::ended::Ended;
use crate::semconv;

/// The attribute of the spans that are exported although their trace is not sampled: `error`, `slow` or `retry`.
pub const KEPT: &str = semconv::outbound::KEPT;

/// Marks the parent context of a span that may be kept.
///
/// The sampler of the provider must answer `RecordOnly` instead of `Drop` where the parent context holds this value.
#[derive(Clone, Copy, Debug)]
pub struct MayBeKept;

/// Which attempts of traces that are not sampled are exported. The decision is made at the end of each attempt.
///
/// Pass it to `TelemetryBuilder::keep` of `tower-outbound-telemetry`, or to
/// [`OtelObserverBuilder::keep`](crate::OtelObserverBuilder::keep) with a sampler and a processor of your own.
///
#[doc = include_str!("keep.md")]
#[derive(Clone, Debug, Default)]
#[must_use = "a rule has an effect once it is given to the builder"]
pub struct Keep {
    errors: bool,
    first_byte_above: Option<Duration>,
    retries: bool,
}

impl Keep {
    /// Keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps what failed, or was answered with 4xx, 5xx or a gRPC status other than `OK`: reason `error`.
    pub fn errors(mut self) -> Self {
        self.errors = true;
        self
    }

    /// Keeps what had no first response byte within this time, counted from the attempt's start, our queue and a
    /// connect included: reason `slow`.
    pub fn first_byte_above(mut self, limit: Duration) -> Self {
        self.first_byte_above = Some(limit);
        self
    }

    /// Keeps every attempt of a call but its first: reason `retry`.
    pub fn retries(mut self) -> Self {
        self.retries = true;
        self
    }

    /// Why this one is kept, if it is: the value of `outbound.kept`.
    pub(crate) fn reason(&self, ended: &Ended<'_>) -> Option<&'static str> {
        if self.errors && ended.error_type().is_some() {
            return Some("error");
        }
        if self.retries && ended.attempt.ordinal() > 0 {
            return Some("retry");
        }
        let timings = ended.attempt.timings();
        // Without a first byte, the attempt has waited for one until its end.
        let waited = timings.cumulative().first_byte.or_else(|| timings.total());
        let slow = self.first_byte_above.zip(waited).is_some_and(|(limit, waited)| waited > limit);
        slow.then_some("slow")
    }
}
