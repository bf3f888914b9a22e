use std::time::Duration;

use tokio::time::Instant;

use super::{RequestHead, ResponseHead, StackWarning};
use crate::failure::{Failure, Phase};
use crate::record::{
    AddressAttempt, Attempt, Call, CloseReason, Closed, Connection, Operation, Origin, Release, Report,
    Reset, RetryLimit, RetryReason, Setup, StepRun, Use,
};

/// An event of a layer, passed to each [`Observer`](super::Observer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call has started; ends with [`CallEnded`](Self::CallEnded).
    #[non_exhaustive]
    CallStarted {
        /// The call.
        call: &'a Call,
    },
    /// A call has ended.
    #[non_exhaustive]
    CallEnded {
        /// The call.
        call: &'a Call,
        /// The outcome of its last attempt.
        outcome: &'a Outcome,
    },
    /// A retry was decided, or prevented by a limit.
    #[non_exhaustive]
    RetryDecided {
        /// The call.
        call: &'a Call,
        /// The reason for the retry.
        reason: RetryReason,
        /// The delay before the retry, or the limit that prevents it.
        decision: Result<Duration, RetryLimit>,
    },
    /// A failed response was released before the wait for a retry, with its connection and its slot.
    #[non_exhaustive]
    Released {
        /// The call.
        call: &'a Call,
        /// How it was released.
        release: Release,
    },
    /// The wait before a retry has started; ends with [`BackoffEnded`](Self::BackoffEnded).
    #[non_exhaustive]
    BackoffStarted {
        /// The call.
        call: &'a Call,
        /// The planned length of the wait.
        delay: Duration,
    },
    /// The wait before a retry has ended, or the caller has dropped the future.
    #[non_exhaustive]
    BackoffEnded {
        /// The call.
        call: &'a Call,
        /// When it began.
        start: Instant,
        /// When it ended.
        end: Instant,
    },
    /// The deadline of a call has passed and cuts the call, once. If an attempt is cut, its end follows.
    #[non_exhaustive]
    DeadlineElapsed {
        /// The call.
        call: &'a Call,
        /// The attempt that is cut; `None` in the wait before a retry.
        attempt: Option<&'a Attempt>,
        /// The phase in which the deadline struck.
        phase: Phase,
    },
    /// An attempt has started; ends with [`AttemptEnded`](Self::AttemptEnded).
    #[non_exhaustive]
    AttemptStarted {
        /// The attempt.
        attempt: &'a Attempt,
        /// The request's head.
        request: RequestHead<'a>,
    },
    /// A phase of an attempt has ended.
    #[non_exhaustive]
    AttemptPhase {
        /// The attempt.
        attempt: &'a Attempt,
        /// Which phase.
        phase: Phase,
        /// When it began.
        start: Instant,
        /// When it ended.
        end: Instant,
        /// The failure of the phase, if it failed.
        failure: Option<&'a Failure>,
    },
    /// The head of the response has arrived and is returned to the caller.
    #[non_exhaustive]
    AttemptHead {
        /// The attempt.
        attempt: &'a Attempt,
        /// The response's head.
        response: ResponseHead<'a>,
    },
    /// An attempt has ended; its [`Timings`](crate::Timings) are complete.
    #[non_exhaustive]
    AttemptEnded {
        /// The attempt.
        attempt: &'a Attempt,
        /// The outcome.
        outcome: &'a Outcome,
    },
    /// A connect has started; ends with [`ConnectEnded`](Self::ConnectEnded).
    #[non_exhaustive]
    ConnectStarted {
        /// The setup.
        setup: &'a Setup,
        /// The attempt that started it; `None` if the client connects in a task of its own.
        attempt: Option<&'a Attempt>,
    },
    /// A phase of a connect (dns, tcp, tunnel, tls) has ended.
    #[non_exhaustive]
    ConnectPhase {
        /// The setup.
        setup: &'a Setup,
        /// Which phase.
        phase: Phase,
        /// When it began.
        start: Instant,
        /// When it ended.
        end: Instant,
        /// The failure of the phase, if it failed.
        failure: Option<&'a Failure>,
    },
    /// A connect attempt to one address has succeeded, failed or was abandoned. Emitted before the end of the phase
    /// [`Tcp`](Phase::Tcp).
    #[non_exhaustive]
    AddressAttempt {
        /// The setup.
        setup: &'a Setup,
        /// The address, the duration and the outcome.
        address: &'a AddressAttempt,
    },
    /// A connect has ended.
    #[non_exhaustive]
    ConnectEnded {
        /// The setup.
        setup: &'a Setup,
        /// The result.
        result: ConnectResult<'a>,
    },
    /// The attempt that started this setup was served by another connection.
    #[non_exhaustive]
    ConnectWasted {
        /// The setup.
        setup: &'a Setup,
        /// The attempt that started the setup.
        attempt: &'a Attempt,
    },
    /// A connection was opened; ends with [`ConnectionClosed`](Self::ConnectionClosed).
    #[non_exhaustive]
    ConnectionOpened {
        /// The connection, which is idle.
        connection: &'a Connection,
        /// It was opened earlier, while nothing was observed (`telemetry.observe`).
        late: bool,
    },
    /// A connection serves an attempt. Not emitted for a connection that has closed in the meantime.
    #[non_exhaustive]
    ConnectionAssigned {
        /// The connection.
        connection: &'a Connection,
        /// The attempt.
        attempt: &'a Attempt,
        /// Which use of the connection this is.
        usage: &'a Use,
    },
    /// A pooled connection was found dead when it was to serve an attempt, or returned the request unsent. The attempt goes
    /// on with another connection. The pool of [`OutboundClient`](crate::OutboundClient) only: other pools do not show it.
    #[non_exhaustive]
    ConnectionStale {
        /// The connection. Its close may have been reported already.
        connection: &'a Connection,
        /// The attempt.
        attempt: &'a Attempt,
    },
    /// A connection went from idle to active; ends with [`ConnectionIdle`](Self::ConnectionIdle) or
    /// [`ConnectionClosed`](Self::ConnectionClosed).
    #[non_exhaustive]
    ConnectionActive {
        /// The connection.
        connection: &'a Connection,
    },
    /// A connection went from active to idle.
    #[non_exhaustive]
    ConnectionIdle {
        /// The connection.
        connection: &'a Connection,
    },
    /// A connection serves no further attempts; those in flight may complete. Emitted at most once per connection, before its
    /// close; ends with [`ConnectionClosed`](Self::ConnectionClosed).
    #[non_exhaustive]
    ConnectionRetired {
        /// The connection.
        connection: &'a Connection,
        /// The reason. It is also the reason of the close, unless the peer closes the connection.
        reason: CloseReason,
    },
    /// A connection has closed.
    #[non_exhaustive]
    ConnectionClosed {
        /// The connection.
        connection: &'a Connection,
        /// The reason and the state at the close.
        closed: &'a Closed,
    },
    /// A request waits for a connection of the [pool](crate::pool) of this crate: for a connect, or for one that comes free.
    /// Ends with [`ConnectionWaited`](Self::ConnectionWaited).
    #[non_exhaustive]
    ConnectionWaiting {
        /// The origin of the request.
        origin: &'a Origin,
        /// The attempt.
        attempt: &'a Attempt,
    },
    /// A request does not wait for a connection any more.
    #[non_exhaustive]
    ConnectionWaited {
        /// The origin of the request.
        origin: &'a Origin,
        /// The attempt.
        attempt: &'a Attempt,
        /// Whether the request got a connection. Otherwise the connect failed, the wait timed out, or the caller dropped the
        /// future.
        granted: bool,
    },
    /// An in-flight limit begins to track an origin; ends with [`SlotsClosed`](Self::SlotsClosed).
    #[non_exhaustive]
    SlotsOpened {
        /// The origin.
        origin: &'a Origin,
        /// The maximum number of requests in flight to the origin.
        limit: usize,
    },
    /// An in-flight limit does not track the origin any more: nothing is in flight to it, or the limit was dropped.
    #[non_exhaustive]
    SlotsClosed {
        /// The origin.
        origin: &'a Origin,
        /// The limit of the [`SlotsOpened`](Self::SlotsOpened) event.
        limit: usize,
    },
    /// A request waits for a slot; ends with [`SlotWaited`](Self::SlotWaited).
    #[non_exhaustive]
    SlotWaiting {
        /// The origin of the request.
        origin: &'a Origin,
        /// The attempt; `None` without an observe layer above.
        attempt: Option<&'a Attempt>,
    },
    /// A request does not wait any more.
    #[non_exhaustive]
    SlotWaited {
        /// The origin of the request.
        origin: &'a Origin,
        /// The attempt.
        attempt: Option<&'a Attempt>,
        /// Whether the request got a slot ([`SlotTaken`](Self::SlotTaken) follows). Otherwise the wait timed out or the
        /// caller dropped the future.
        granted: bool,
    },
    /// A request got a slot; ends with [`SlotReturned`](Self::SlotReturned). Never more than the limit at a time.
    #[non_exhaustive]
    SlotTaken {
        /// The origin of the request.
        origin: &'a Origin,
        /// The attempt; `None` without an observe layer above.
        attempt: Option<&'a Attempt>,
    },
    /// A slot was returned. The attempt may have ended before.
    #[non_exhaustive]
    SlotReturned {
        /// The origin of the request.
        origin: &'a Origin,
        /// The attempt.
        attempt: Option<&'a Attempt>,
    },
    /// Connections were taken out of use by [`Outbound::reset`](crate::Outbound::reset).
    #[non_exhaustive]
    Reset {
        /// The origin; `None` for all of them.
        origin: Option<&'a Origin>,
        /// What was done.
        reset: Reset,
    },
    /// An origin was reset because requests waited in vain while its connections were silent: see
    /// [`OutboundBuilder::recover_after`](crate::outbound::OutboundBuilder::recover_after).
    #[non_exhaustive]
    Recovered {
        /// The origin.
        origin: &'a Origin,
        /// How many waits in a row had timed out.
        timeouts: u32,
        /// How long nothing had been received.
        silent_for: Duration,
        /// What was done.
        reset: Reset,
    },
    /// The settings were read again by `Outbound::reload`, or on a signal.
    #[non_exhaustive]
    Reloaded {
        /// Why the file could not be used; `None` if the settings were applied.
        error: Option<&'a (dyn std::error::Error + Send + Sync + 'static)>,
    },
    /// An operation has started; ends with [`OperationEnded`](Self::OperationEnded).
    #[non_exhaustive]
    OperationStarted {
        /// The operation.
        operation: &'a Operation,
    },
    /// The future of a step was polled for the first time; ends with [`StepEnded`](Self::StepEnded).
    #[non_exhaustive]
    StepStarted {
        /// The operation.
        operation: &'a Operation,
        /// The step.
        step: &'a StepRun,
    },
    /// A step has ended; its [outcome](StepRun::outcome) is there.
    #[non_exhaustive]
    StepEnded {
        /// The operation.
        operation: &'a Operation,
        /// The step.
        step: &'a StepRun,
    },
    /// An operation was finished or dropped. Steps that have not started are not reached.
    #[non_exhaustive]
    OperationEnded {
        /// The operation.
        operation: &'a Operation,
        /// The report.
        report: &'a Report,
    },
    /// A part of the stack is missing or misplaced. Emitted once per kind of warning.
    #[non_exhaustive]
    Misplaced {
        /// The problem. Its `Display` output says how to solve it.
        warning: StackWarning,
    },
}

/// The outcome of an attempt or a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The whole response was received, whatever its status.
    Ok,
    /// The attempt failed, before or after the head of the response.
    Failed(Failure),
    /// The caller dropped the future or the body.
    #[non_exhaustive]
    Cancelled {
        /// The phase in which it was dropped.
        phase: Phase,
    },
}

/// The result of a connect.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ConnectResult<'a> {
    /// A tracked connection.
    Connected(&'a Connection),
    /// A connection whose IO cannot be wrapped.
    Untracked,
    /// The connect failed.
    Failed(&'a Failure),
    /// The client dropped the future.
    Cancelled,
}
