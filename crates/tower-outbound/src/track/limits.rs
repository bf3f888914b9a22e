//! The limits of connects and connections.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connect::{CONNECT_TIMEOUT, RETIRE_SILENT_AFTER, Setup};
use crate::error::{TimeLimit, TimeLimitError};
use crate::exchange::Phase;

/// How long a TLS handshake may take unless set.
const TLS_TIMEOUT: Duration = Duration::ZERO;

/// What the connects of a stack may take, and what its connections; zero is off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectLimits {
    pub(crate) connect: Duration,
    pub(crate) tls: Duration,
    /// How many exchanges an HTTP/2 connection may let time out in silence.
    pub(crate) silent_exchanges: u32,
}

impl ConnectLimits {
    pub(crate) const fn new() -> Self {
        Self { connect: CONNECT_TIMEOUT, tls: TLS_TIMEOUT, silent_exchanges: RETIRE_SILENT_AFTER }
    }
}

/// The limits of one connect.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: ConnectLimits,
    connect: Option<Timer>,
    tls: Option<Timer>,
}

/// Boxed, since hyper-util wants its connectors' futures `Unpin`. A connect is rare enough for a timer of its own,
/// of which nothing is left when it is over.
type Timer = Pin<Box<Sleep>>;

impl Watch {
    pub(crate) const fn new(limits: ConnectLimits) -> Self {
        Self { limits, connect: None, tls: None }
    }

    pub(super) const fn limits(&self) -> &ConnectLimits {
        &self.limits
    }

    /// The limit that is hit.
    pub(crate) fn poll(&mut self, setup: &Setup, cx: &mut Context<'_>) -> Option<TimeLimitError> {
        let ConnectLimits { connect, tls, .. } = self.limits;
        if is_over(&mut self.connect, setup.start_time(), connect, cx) {
            let hit = match setup.running_phase() {
                Some(Phase::Tls) => TimeLimit::Tls,
                _ => TimeLimit::Connect,
            };
            return Some(TimeLimitError::new(hit, connect));
        }
        // Seen in the poll in which TCP or the tunnel ends, and so as soon as the handshake begins.
        let handshake = tls > Duration::ZERO && setup.running_phase() == Some(Phase::Tls);
        let over = handshake && is_over(&mut self.tls, Instant::now(), tls, cx);
        over.then(|| TimeLimitError::new(TimeLimit::Tls, tls))
    }
}

/// Starts the timer where it does not run; without a runtime there is no limit.
fn is_over(timer: &mut Option<Timer>, since: Instant, after: Duration, cx: &mut Context<'_>) -> bool {
    if timer.is_none() {
        let deadline = since.checked_add(after).filter(|_| after > Duration::ZERO);
        let deadline = deadline.filter(|_| Handle::try_current().is_ok());
        *timer = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
    }
    timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
}
