//! Emits the events as `tracing` events, for services without OpenTelemetry. Requires the feature `tracing`.

use crate::event::Event;
use crate::failure::Failure;
use crate::record::{Call, CloseReason, Connection, Origin, Reset};

#[cfg(not(feature = "tracing"))]
pub(crate) fn event(_: &Event<'_>) {}

#[cfg(not(feature = "tracing"))]
pub(crate) fn is_on() -> bool {
    false
}

/// Whether a subscriber is interested in more than warnings; one load.
#[cfg(feature = "tracing")]
pub(crate) fn is_on() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::DEBUG
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn shows_phases() -> bool {
    false
}

/// Whether a subscriber is interested in phases; one load.
#[cfg(feature = "tracing")]
pub(crate) fn shows_phases() -> bool {
    tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::TRACE
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn observer_panicked(_: &str) {}

#[cfg(feature = "tracing")]
pub(crate) fn observer_panicked(name: &str) {
    tracing::warn!(target: "tower_outbound", observer = name, "an observer panicked and is not called again");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn misplaced(_: super::StackWarning) {}

#[cfg(feature = "tracing")]
pub(crate) fn misplaced(warning: super::StackWarning) {
    tracing::warn!(target: "tower_outbound", "{warning}");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn invalid_timeout(_: &str) {}

/// Not the value, which may contain anything.
#[cfg(feature = "tracing")]
pub(crate) fn invalid_timeout(header: &str) {
    tracing::warn!(target: "tower_outbound", header, "the timeout in a request's header is no time, and is ignored");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn retired(_: &Connection, _: CloseReason) {}

#[cfg(feature = "tracing")]
pub(crate) fn retired(connection: &Connection, reason: CloseReason) {
    tracing::warn!(
        target: "tower_outbound", connection = connection.id(), origin = %connection.origin(),
        reason = reason.as_str(), "automatic recovery: a connection is retired",
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn error_while_closing(_: &Connection, _: &std::io::Error) {}

/// Nobody else learns of it.
#[cfg(feature = "tracing")]
pub(crate) fn error_while_closing(connection: &Connection, error: &std::io::Error) {
    tracing::debug!(
        target: "tower_outbound", connection = connection.id(), origin = %connection.origin(), %error,
        "error while closing",
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn reset(_: Option<&Origin>, _: Reset) {}

/// Not an event of [`event`], which is logged at debug level.
#[cfg(feature = "tracing")]
pub(crate) fn reset(origin: Option<&Origin>, reset: Reset) {
    tracing::info!(
        target: "tower_outbound", origin = origin.map(tracing::field::display), closed = reset.closed,
        draining = reset.draining, cut = reset.cut, unreached = reset.unreached, "connections are reset",
    );
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn recovered(_: &Origin, _: u32, _: std::time::Duration, _: Reset) {}

/// Not an event of [`event`]: a subscriber that takes warnings only must have it.
#[cfg(feature = "tracing")]
pub(crate) fn recovered(origin: &Origin, timeouts: u32, silent_for: std::time::Duration, reset: Reset) {
    tracing::warn!(
        target: "tower_outbound", %origin, timeouts, silent_seconds = silent_for.as_secs_f64(), closed = reset.closed,
        draining = reset.draining, cut = reset.cut,
        "automatic recovery: connections are reset, since requests waited for them in vain",
    );
}

#[cfg(all(feature = "settings", not(feature = "tracing")))]
pub(crate) fn reloaded(_: Option<&crate::settings::FileError>) {}

/// Not an event of [`event`], which is logged at debug level.
#[cfg(all(feature = "settings", feature = "tracing"))]
pub(crate) fn reloaded(error: Option<&crate::settings::FileError>) {
    match error {
        None => tracing::info!(target: "tower_outbound", "the settings were read again"),
        Some(error) => tracing::warn!(target: "tower_outbound", "the settings stay as they are: {error}"),
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn socket_option(_: &str, _: &std::io::Error) {}

#[cfg(feature = "tracing")]
pub(crate) fn socket_option(option: &str, error: &std::io::Error) {
    tracing::warn!(target: "tower_outbound", option, %error, "a socket option is left as the system has it");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn failed_after_retries(_: &Call, _: &Failure) {}

/// Not an event of [`event`]: a subscriber that takes warnings only must have it.
#[cfg(feature = "tracing")]
pub(crate) fn failed_after_retries(call: &Call, failure: &Failure) {
    tracing::warn!(
        target: "tower_outbound", call = call.id(), error = failure.kind().as_str(), attempts = call.attempts(),
        "a call failed after retries",
    );
}

#[cfg(all(feature = "client", not(feature = "tracing")))]
pub(crate) fn root_certificates(_: &str, _: &str, _: usize) {}

/// `named`: where the certificates come from, a variable and its value for example.
#[cfg(all(feature = "client", feature = "tracing"))]
pub(crate) fn root_certificates(named: &str, error: &str, trusted: usize) {
    tracing::warn!(
        target: "tower_outbound", error, trusted,
        "{named}: root certificates cannot be read, and no others are used instead",
    );
}

#[cfg(feature = "tracing")]
pub(crate) fn event(event: &Event<'_>) {
    use tracing::{debug, trace};

    use crate::event::{ConnectResult, Outcome};

    match event {
        Event::AttemptPhase { attempt, phase, start, end, .. } => {
            trace!(target: "tower_outbound", attempt = attempt.id(), %phase, seconds = (*end - *start).as_secs_f64(), "phase");
        }
        Event::ConnectPhase { setup, phase, start, end, failure } => {
            trace!(
                target: "tower_outbound", setup = setup.id(), %phase, seconds = (*end - *start).as_secs_f64(),
                error = failure.map(|failure| failure.kind().as_str()), "phase",
            );
        }
        Event::AddressAttempt { setup, address: attempt } => {
            trace!(
                target: "tower_outbound", setup = setup.id(), address = %attempt.address,
                seconds = attempt.duration().as_secs_f64(),
                error = attempt.failure().map(|failure| failure.kind().as_str()), "address tried",
            );
        }
        Event::AttemptEnded { attempt, outcome } => {
            let (error, cancelled) = match outcome {
                Outcome::Ok => (None, None),
                Outcome::Failed(failure) => (Some(failure.kind().as_str()), None),
                Outcome::Cancelled { phase } => (None, Some(phase.as_str())),
            };
            debug!(
                target: "tower_outbound", attempt = attempt.id(), origin = %attempt.origin(),
                method = attempt.method().as_str(), status = attempt.status().map(|status| status.as_u16()),
                grpc_status = attempt.grpc_status(), error, cancelled, timings = %attempt.timings(), "attempt ended",
            );
        }
        Event::ConnectEnded { setup, result: ConnectResult::Failed(failure) } => {
            debug!(target: "tower_outbound", origin = %setup.origin(), error = failure.kind().as_str(), "connect failed");
        }
        Event::ConnectionOpened { connection, late: false } => {
            debug!(target: "tower_outbound", connection = connection.id(), origin = %connection.origin(), "connection opened");
        }
        Event::ConnectionClosed { connection, closed } => {
            debug!(
                target: "tower_outbound", connection = connection.id(), origin = %connection.origin(),
                reason = closed.reason().as_str(), uses = connection.uses(), "connection closed",
            );
        }
        Event::RetryDecided { call, reason, decision: Ok(delay) } => {
            debug!(target: "tower_outbound", call = call.id(), %reason, seconds = delay.as_secs_f64(), "retry");
        }
        Event::RetryDecided { call, reason, decision: Err(limit) } => {
            debug!(target: "tower_outbound", call = call.id(), %reason, %limit, "not sent again");
        }
        Event::StepEnded { operation, step } => {
            debug!(
                target: "tower_outbound", operation = operation.name(), step = step.name(), step_target = step.target(),
                outcome = step.outcome().map(crate::record::StepOutcome::as_str),
                seconds = step.duration().map(|duration| duration.as_secs_f64()),
                error = step.failure().map(|failure| failure.kind().as_str()), "step ended",
            );
        }
        Event::OperationEnded { report, .. } => {
            debug!(
                target: "tower_outbound", operation = report.operation(), outcome = report.outcome().as_str(),
                seconds = report.total().as_secs_f64(), "operation ended",
            );
        }
        _ => {}
    }
}
