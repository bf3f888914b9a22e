//! The events: one table of everything that the layers tell.
//!
//! | start | its end |
//! | --- | --- |
//! | [`CallStarted`](Event::CallStarted) | [`CallEnded`](Event::CallEnded) |
//! | [`ExchangeStarted`](Event::ExchangeStarted) | [`ExchangeEnded`](Event::ExchangeEnded) |
//! | [`ConnectStarted`](Event::ConnectStarted) | [`ConnectEnded`](Event::ConnectEnded) |
//! | [`BackoffStarted`](Event::BackoffStarted) | [`BackoffEnded`](Event::BackoffEnded) |
//! | [`ConnectionOpened`](Event::ConnectionOpened) | [`ConnectionClosed`](Event::ConnectionClosed) |
//! | [`ConnectionRetired`](Event::ConnectionRetired) | the same [`ConnectionClosed`](Event::ConnectionClosed) |
//! | [`SlotWaiting`](Event::SlotWaiting) | [`SlotWaited`](Event::SlotWaited) |
//! | [`SlotTaken`](Event::SlotTaken) | [`SlotReturned`](Event::SlotReturned) |
//! | [`SlotsOpened`](Event::SlotsOpened) | [`SlotsClosed`](Event::SlotsClosed) |
//!
//! Every start has exactly one end: on success, on an error, on a drop at any await point, on a drop of the
//! body at any frame, and when the inner service panics. What is short is told once, at its end: the phases,
//! and each address that was tried.
//!
//! No event carries a path, a query or a header in its `Debug` or `Display` output.

pub(crate) mod log;
mod observer;
mod request;
mod warning;

use std::time::Duration;

use tokio::time::Instant;

pub use self::observer::Observer;
pub(crate) use self::observer::{Observers, ObserversBuilder};
pub use self::request::{RequestHead, ResponseHead};
pub use self::warning::StackWarning;
pub(crate) use self::warning::Warnings;
use crate::classify::Failure;
use crate::connect::{AddressAttempt, CloseReason, Closed, Connection, Origin, Setup, Use};
use crate::exchange::{Call, Exchange, Phase};
use crate::retry::{Release, RetryLimit, RetryReason};

/// What has happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A call has started; ends with [`CallEnded`](Self::CallEnded).
    CallStarted {
        /// The call.
        call: &'a Call,
    },
    /// A call is over.
    CallEnded {
        /// The call.
        call: &'a Call,
        /// How its last exchange went.
        outcome: &'a Outcome,
    },
    /// A request is to be sent again, or would be but for a limit.
    RetryDecided {
        /// The call.
        call: &'a Call,
        /// Why.
        reason: RetryReason,
        /// How long is waited before that, or which limit speaks against it.
        decision: Result<Duration, RetryLimit>,
    },
    /// A failed response was let go, with everything that it held.
    Released {
        /// The call.
        call: &'a Call,
        /// What became of it.
        release: Release,
    },
    /// The pause before a resend has begun; ends with [`BackoffEnded`](Self::BackoffEnded).
    BackoffStarted {
        /// The call.
        call: &'a Call,
        /// How long it is to be.
        delay: Duration,
    },
    /// The pause before a resend is over, or the caller has gone.
    BackoffEnded {
        /// The call.
        call: &'a Call,
        /// When it began.
        start: Instant,
        /// When it ended.
        end: Instant,
    },
    /// A request goes to the client; ends with [`ExchangeEnded`](Self::ExchangeEnded).
    ExchangeStarted {
        /// The exchange.
        exchange: &'a Exchange,
        /// The request's head.
        request: RequestHead<'a>,
    },
    /// A phase of an exchange is over.
    ExchangePhase {
        /// The exchange.
        exchange: &'a Exchange,
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
    ExchangeHead {
        /// The exchange.
        exchange: &'a Exchange,
        /// The response's head.
        response: ResponseHead<'a>,
    },
    /// An exchange is over; its [`Timings`](crate::Timings) are complete.
    ExchangeEnded {
        /// The exchange.
        exchange: &'a Exchange,
        /// How it went.
        outcome: &'a Outcome,
    },
    /// A connection is being made; ends with [`ConnectEnded`](Self::ConnectEnded).
    ConnectStarted {
        /// The setup.
        setup: &'a Setup,
        /// The exchange that started it; `None` where the client connects from a task of its own.
        exchange: Option<&'a Exchange>,
    },
    /// A phase of a setup (dns, tcp, tunnel, tls) is over.
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
    AddressAttempt {
        /// The setup.
        setup: &'a Setup,
        /// Which address, how long, and how it went.
        attempt: &'a AddressAttempt,
    },
    /// A setup is over.
    ConnectEnded {
        /// The setup.
        setup: &'a Setup,
        /// Where it led.
        result: ConnectResult<'a>,
    },
    /// The exchange that started this setup was served by another connection.
    ConnectWasted {
        /// The setup.
        setup: &'a Setup,
        /// Who had started it.
        exchange: &'a Exchange,
    },
    /// A connection is there; ends with [`ConnectionClosed`](Self::ConnectionClosed).
    ConnectionOpened {
        /// The connection, idle.
        connection: &'a Connection,
    },
    /// An exchange is served by a connection.
    ConnectionAssigned {
        /// The connection.
        connection: &'a Connection,
        /// The exchange.
        exchange: &'a Exchange,
        /// Which use of the connection this is.
        usage: &'a Use,
    },
    /// A connection has work: it went from idle to active; ends with [`ConnectionIdle`](Self::ConnectionIdle),
    /// or with its close.
    ConnectionActive {
        /// The connection.
        connection: &'a Connection,
    },
    /// A connection has nothing more to do: it went from active to idle.
    ConnectionIdle {
        /// The connection.
        connection: &'a Connection,
    },
    /// A connection takes no further exchange; what is on it may end. Told at most once of each, and never after its
    /// close; ends with [`ConnectionClosed`](Self::ConnectionClosed).
    ConnectionRetired {
        /// The connection.
        connection: &'a Connection,
        /// Why; it will be the reason of its close, unless the peer closes it.
        reason: CloseReason,
    },
    /// A connection is closed.
    ConnectionClosed {
        /// The connection.
        connection: &'a Connection,
        /// Why, and in which state.
        closed: &'a Closed,
    },
    /// A limit of requests in flight holds for an origin; ends with [`SlotsClosed`](Self::SlotsClosed).
    SlotsOpened {
        /// The origin.
        origin: &'a Origin,
        /// How many requests to it may be in flight at most.
        limit: usize,
    },
    /// An origin to which nothing is in flight was forgotten, or its limit is gone.
    SlotsClosed {
        /// The origin.
        origin: &'a Origin,
        /// As [`SlotsOpened`](Self::SlotsOpened) has told.
        limit: usize,
    },
    /// A request has to wait for a slot; ends with [`SlotWaited`](Self::SlotWaited).
    SlotWaiting {
        /// Where the request goes.
        origin: &'a Origin,
        /// The exchange; `None` where no observe layer is above.
        exchange: Option<&'a Exchange>,
    },
    /// A request waits no more.
    SlotWaited {
        /// Where the request goes.
        origin: &'a Origin,
        /// The exchange.
        exchange: Option<&'a Exchange>,
        /// Whether it has a slot, which is told next; otherwise it has waited too long or was given up.
        granted: bool,
    },
    /// A request has a slot; ends with [`SlotReturned`](Self::SlotReturned). Never told of more than the limit.
    SlotTaken {
        /// Where the request goes.
        origin: &'a Origin,
        /// The exchange; `None` where no observe layer is above.
        exchange: Option<&'a Exchange>,
    },
    /// A slot is free again; the exchange may have ended before.
    SlotReturned {
        /// Where the request went.
        origin: &'a Origin,
        /// The exchange.
        exchange: Option<&'a Exchange>,
    },
    /// Part of the stack is missing or misplaced; told once.
    Misplaced {
        /// What is wrong, and which call puts it right.
        warning: StackWarning,
    },
}

/// How an exchange or call went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The response came, whatever its status, and its body was received whole.
    Ok,
    /// It failed, before or after the response's head.
    Failed(Failure),
    /// The caller dropped the future or the body.
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
