//! The end of a call, as the retry layer reports it.

use http::Response;

use crate::event::Outcome;
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

/// The call's future was dropped: the call is cancelled, or was ended by a layer or a panic. `phase`: if no attempt was
/// cancelled.
pub(super) fn end_dropped(call: &Call, registry: &Registry, phase: Phase) {
    let phase = call.cancelled_in().unwrap_or(phase);
    let failed = |kind| Outcome::Failed(Failure::new(kind).with_phase(phase));
    let outcome = match call.end_cause() {
        Some(EndCause::AttemptTimeout) => failed(Kind::ResponseTimeout),
        _ if std::thread::panicking() => failed(Kind::Other),
        _ => Outcome::Cancelled { phase },
    };
    call.end(registry, &outcome);
}
