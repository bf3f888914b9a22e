//! Exports selected attempts of traces that are not sampled.
//!
//! [`Keep`] selects the attempts. A pipeline of your own needs the other items: its sampler records spans below a
//! [`MayBeKept`] context, and its span processor exports spans with the attribute [`KEPT`]. `tower-outbound-telemetry` has
//! both.

use std::time::Duration;

use crate::ended::Ended;
use crate::semconv;

/// The attribute of kept spans: `error`, `slow` or `retry`. A span processor exports spans with it, sampled or not.
pub const KEPT: &str = semconv::outbound::KEPT;

/// Marks the parent context of spans that may be kept.
///
/// The provider's sampler must return `RecordOnly` instead of `Drop` if the parent context contains this value
/// (`Context::get::<MayBeKept>`).
#[derive(Clone, Copy, Debug)]
pub struct MayBeKept;

/// Which attempts of traces that are not sampled are exported. The decision is made at the end of each attempt.
///
/// Pass it to `TelemetryBuilder::keep` of `tower-outbound-telemetry`, or to
/// [`OtelObserverBuilder::keep`](crate::OtelObserverBuilder::keep) with a sampler and a processor of your own.
///
#[doc = include_str!("keep.md")]
#[derive(Clone, Debug, Default)]
#[must_use = "has no effect until it is passed to a builder"]
pub struct Keep {
    errors: bool,
    first_byte_above: Option<Duration>,
    retries: bool,
}

impl Keep {
    /// Keeps nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps attempts that failed, or whose response has status 4xx, 5xx or a gRPC status other than `OK`. Value of
    /// `outbound.kept`: `error`.
    pub fn errors(mut self) -> Self {
        self.errors = true;
        self
    }

    /// Keeps attempts whose first response byte took longer than this, counted from the attempt's start: queue and
    /// connect are included. Value of `outbound.kept`: `slow`.
    pub fn first_byte_above(mut self, limit: Duration) -> Self {
        self.first_byte_above = Some(limit);
        self
    }

    /// Keeps retries: every attempt of a call except for its first. Value of `outbound.kept`: `retry`.
    pub fn retries(mut self) -> Self {
        self.retries = true;
        self
    }

    /// The value of `outbound.kept`, if the attempt is kept.
    pub(crate) fn reason(&self, ended: &Ended<'_>) -> Option<&'static str> {
        if self.errors && ended.error_type().is_some() {
            return Some("error");
        }
        if self.retries && ended.attempt.ordinal() > 0 {
            return Some("retry");
        }
        let timings = ended.attempt.timings();
        // Without a first byte, the attempt waited until its end.
        let waited = timings.cumulative().first_byte.or_else(|| timings.total());
        let slow = self.first_byte_above.zip(waited).is_some_and(|(limit, waited)| waited > limit);
        slow.then_some("slow")
    }
}
