use std::time::Duration;

use tokio::time::Instant;

use super::{RequestHead, ResponseHead, StackWarning};
use crate::failure::{Failure, Phase};
use crate::record::{
    AddressAttempt, Attempt, Call, CloseReason, Closed, Connection, Origin, Release, RetryLimit, RetryReason,
    Setup, Use,
};

/// What has happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call has started; ends with [`CallEnded`](Self::CallEnded).
    #[non_exhaustive]
    CallStarted {
        /// The call.
        call: &'a Call,
    },
    /// A call is over.
    #[non_exhaustive]
    CallEnded {
        /// The call.
        call: &'a Call,
        /// How its last attempt went.
        outcome: &'a Outcome,
    },
    /// A request is to be sent again, or would be but for a limit.
    #[non_exhaustive]
    RetryDecided {
        /// The call.
        call: &'a Call,
        /// Why.
        reason: RetryReason,
        /// How long is waited before that, or which limit speaks against it.
        decision: Result<Duration, RetryLimit>,
    },
    /// A failed response was let go, with everything that it held.
    #[non_exhaustive]
    Released {
        /// The call.
        call: &'a Call,
        /// What became of it.
        release: Release,
    },
    /// The pause before a retry has begun; ends with [`BackoffEnded`](Self::BackoffEnded).
    #[non_exhaustive]
    BackoffStarted {
        /// The call.
        call: &'a Call,
        /// How long it is to be.
        delay: Duration,
    },
    /// The pause before a retry is over, or the caller has gone.
    #[non_exhaustive]
    BackoffEnded {
        /// The call.
        call: &'a Call,
        /// When it began.
        start: Instant,
        /// When it ended.
        end: Instant,
    },
    /// A request goes to the client; ends with [`AttemptEnded`](Self::AttemptEnded).
    #[non_exhaustive]
    AttemptStarted {
        /// The attempt.
        attempt: &'a Attempt,
        /// The request's head.
        request: RequestHead<'a>,
    },
    /// A phase of an attempt is over.
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
        /// What went wrong in it.
        failure: Option<&'a Failure>,
    },
    /// The response's head is handed to the caller.
    #[non_exhaustive]
    AttemptHead {
        /// The attempt.
        attempt: &'a Attempt,
        /// The response's head.
        response: ResponseHead<'a>,
    },
    /// An attempt is over; its [`Timings`](crate::Timings) are complete.
    #[non_exhaustive]
    AttemptEnded {
        /// The attempt.
        attempt: &'a Attempt,
        /// How it went.
        outcome: &'a Outcome,
    },
    /// A connection is being made; ends with [`ConnectEnded`](Self::ConnectEnded).
    #[non_exhaustive]
    ConnectStarted {
        /// The setup.
        setup: &'a Setup,
        /// The attempt that started it; `None` where the client connects from a task of its own.
        attempt: Option<&'a Attempt>,
    },
    /// A phase of a setup (dns, tcp, tunnel, tls) is over.
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
        /// What went wrong.
        failure: Option<&'a Failure>,
    },
    /// An address that a setup has tried is connected, has failed, or is given up; told before the phase
    /// [`Tcp`](Phase::Tcp) and the setup end.
    #[non_exhaustive]
    AddressAttempt {
        /// The setup.
        setup: &'a Setup,
        /// Which address, how long, and how it went.
        attempt: &'a AddressAttempt,
    },
    /// A setup is over.
    #[non_exhaustive]
    ConnectEnded {
        /// The setup.
        setup: &'a Setup,
        /// Where it led.
        result: ConnectResult<'a>,
    },
    /// The attempt that started this setup was served by another connection.
    #[non_exhaustive]
    ConnectWasted {
        /// The setup.
        setup: &'a Setup,
        /// Who had started it.
        attempt: &'a Attempt,
    },
    /// A connection is there; ends with [`ConnectionClosed`](Self::ConnectionClosed).
    #[non_exhaustive]
    ConnectionOpened {
        /// The connection, idle.
        connection: &'a Connection,
    },
    /// An attempt is served by a connection.
    #[non_exhaustive]
    ConnectionAssigned {
        /// The connection.
        connection: &'a Connection,
        /// The attempt.
        attempt: &'a Attempt,
        /// Which use of the connection this is.
        usage: &'a Use,
    },
    /// A connection has work: it went from idle to active; ends with [`ConnectionIdle`](Self::ConnectionIdle),
    /// or with its close.
    #[non_exhaustive]
    ConnectionActive {
        /// The connection.
        connection: &'a Connection,
    },
    /// A connection has nothing more to do: it went from active to idle.
    #[non_exhaustive]
    ConnectionIdle {
        /// The connection.
        connection: &'a Connection,
    },
    /// A connection takes no further attempt; what is on it may end. Told at most once of each, and never after its
    /// close; ends with [`ConnectionClosed`](Self::ConnectionClosed).
    #[non_exhaustive]
    ConnectionRetired {
        /// The connection.
        connection: &'a Connection,
        /// Why; it will be the reason of its close, unless the peer closes it.
        reason: CloseReason,
    },
    /// A connection is closed.
    #[non_exhaustive]
    ConnectionClosed {
        /// The connection.
        connection: &'a Connection,
        /// Why, and in which state.
        closed: &'a Closed,
    },
    /// A limit of requests in flight holds for an origin; ends with [`SlotsClosed`](Self::SlotsClosed).
    #[non_exhaustive]
    SlotsOpened {
        /// The origin.
        origin: &'a Origin,
        /// How many requests to it may be in flight at most.
        limit: usize,
    },
    /// An origin to which nothing is in flight was forgotten, or its limit is gone.
    #[non_exhaustive]
    SlotsClosed {
        /// The origin.
        origin: &'a Origin,
        /// As [`SlotsOpened`](Self::SlotsOpened) has told.
        limit: usize,
    },
    /// A request has to wait for a slot; ends with [`SlotWaited`](Self::SlotWaited).
    #[non_exhaustive]
    SlotWaiting {
        /// Where the request goes.
        origin: &'a Origin,
        /// The attempt; `None` where no observe layer is above.
        attempt: Option<&'a Attempt>,
    },
    /// A request waits no more.
    #[non_exhaustive]
    SlotWaited {
        /// Where the request goes.
        origin: &'a Origin,
        /// The attempt.
        attempt: Option<&'a Attempt>,
        /// Whether it has a slot, which is told next; otherwise it has waited too long or was given up.
        granted: bool,
    },
    /// A request has a slot; ends with [`SlotReturned`](Self::SlotReturned). Never told of more than the limit.
    #[non_exhaustive]
    SlotTaken {
        /// Where the request goes.
        origin: &'a Origin,
        /// The attempt; `None` where no observe layer is above.
        attempt: Option<&'a Attempt>,
    },
    /// A slot is free again; the attempt may have ended before.
    #[non_exhaustive]
    SlotReturned {
        /// Where the request went.
        origin: &'a Origin,
        /// The attempt.
        attempt: Option<&'a Attempt>,
    },
    /// Part of the stack is missing or misplaced; told once.
    #[non_exhaustive]
    Misplaced {
        /// What is wrong, and which call puts it right.
        warning: StackWarning,
    },
}

/// How an attempt or call went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The response came, whatever its status, and its body was received whole.
    Ok,
    /// It failed, before or after the response's head.
    Failed(Failure),
    /// The caller dropped the future or the body.
    #[non_exhaustive]
    Cancelled {
        /// In which phase.
        phase: Phase,
    },
}

/// Where a setup led.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ConnectResult<'a> {
    /// A connection is there.
    Connected(&'a Connection),
    /// A connection is there whose IO cannot be wrapped.
    Untracked,
    /// It failed.
    Failed(&'a Failure),
    /// The client dropped it.
    Cancelled,
}
