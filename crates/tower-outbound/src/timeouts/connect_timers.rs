//! [`ConnectTimers`]: the running timeouts of one connect.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::{TimeoutError, TimeoutKind};
use crate::failure::Phase;
use crate::record::Setup;
use crate::settings::ConnectTimeouts;

/// The timeouts of one connect.
#[derive(Debug)]
pub(crate) struct ConnectTimers {
    timeouts: ConnectTimeouts,
    connect: Option<BoxedSleep>,
    tls: Option<BoxedSleep>,
}

/// Boxed, since hyper-util requires `Unpin` futures of connectors. Connects are rare enough for timers of their own.
type BoxedSleep = Pin<Box<Sleep>>;

impl ConnectTimers {
    pub(crate) const fn new(timeouts: ConnectTimeouts) -> Self {
        Self { timeouts, connect: None, tls: None }
    }

    pub(crate) const fn timeouts(&self) -> &ConnectTimeouts {
        &self.timeouts
    }

    /// Returns the timeout that has elapsed.
    pub(crate) fn poll(&mut self, setup: &Setup, cx: &mut Context<'_>) -> Option<TimeoutError> {
        let ConnectTimeouts { connect, tls, .. } = self.timeouts;
        if poll_elapsed(&mut self.connect, setup.start_time(), connect, cx) {
            let kind = match setup.running_phase() {
                Some(Phase::Tls) => TimeoutKind::Tls,
                _ => TimeoutKind::Connect,
            };
            return Some(TimeoutError::new(kind, connect));
        }
        // Polled when TCP or the tunnel completes, and so when the handshake begins.
        let handshake = tls > Duration::ZERO && setup.running_phase() == Some(Phase::Tls);
        let elapsed = handshake && poll_elapsed(&mut self.tls, Instant::now(), tls, cx);
        elapsed.then(|| TimeoutError::new(TimeoutKind::Tls, tls))
    }
}

/// Starts the timer at the first poll. Never elapses if the duration is zero, or without a tokio runtime.
fn poll_elapsed(
    timer: &mut Option<BoxedSleep>,
    since: Instant,
    duration: Duration,
    cx: &mut Context<'_>,
) -> bool {
    if timer.is_none() {
        let deadline = since.checked_add(duration).filter(|_| duration > Duration::ZERO);
        let deadline = deadline.filter(|_| Handle::try_current().is_ok());
        *timer = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
    }
    timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
}
