//! The end of a call, as the retry layer reports it.

use std::time::Duration;

use http::Response;

use crate::event::{Event, Outcome};
use crate::failure::{Failure, Kind, Phase};
use crate::record::{Call, EndCause, Registry, Timings};

/// The caller gets this response. The call ends with the attempt, which ends with the response's body.
pub(super) fn end_with_response<R>(call: &Call, registry: &Registry, response: &Response<R>) {
    let ended = |timings: &Timings| timings.attempt().is_ended();
    call.mark_last();
    if response.extensions().get::<Timings>().is_none_or(ended) {
        call.end(registry, &Outcome::Ok);
    }
}

/// The deadline has passed in the wait before a retry.
pub(super) fn report_deadline(call: &Call, registry: &Registry) {
    registry.emit(&Event::DeadlineElapsed { call, attempt: None, phase: Phase::Backoff });
}

/// The call's future was dropped: the call is cancelled, or was ended by a layer, the deadline or a panic. `phase`: if no
/// attempt was cut.
pub(super) fn end_dropped(call: &Call, registry: &Registry, phase: Phase) {
    let cut_in = call.cut_in();
    let phase = cut_in.unwrap_or(phase);
    let failed = |kind| Outcome::Failed(Failure::new(kind).with_phase(phase));
    let outcome = match call.end_cause() {
        Some(EndCause::AttemptTimeout) => failed(Kind::ResponseTimeout),
        _ if std::thread::panicking() => failed(Kind::Other),
        _ if call.has_to_end_within(Duration::ZERO) => {
            if cut_in.is_none() && phase == Phase::Backoff {
                report_deadline(call, registry);
            }
            failed(Kind::DeadlineExceeded)
        }
        _ => Outcome::Cancelled { phase },
    };
    call.end(registry, &outcome);
}
