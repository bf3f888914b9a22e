//! The limits of connects and connections.

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

/// The limits of one connect.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: ConnectTimeouts,
    connect: Option<Timer>,
    tls: Option<Timer>,
}

/// Boxed, since hyper-util wants its connectors' futures `Unpin`. A connect is rare enough for a timer of its own,
/// of which nothing is left when it is over.
type Timer = Pin<Box<Sleep>>;

impl Watch {
    pub(crate) const fn new(limits: ConnectTimeouts) -> Self {
        Self { limits, connect: None, tls: None }
    }

    pub(crate) const fn limits(&self) -> &ConnectTimeouts {
        &self.limits
    }

    /// The limit that is hit.
    pub(crate) fn poll(&mut self, setup: &Setup, cx: &mut Context<'_>) -> Option<TimeoutError> {
        let ConnectTimeouts { connect, tls, .. } = self.limits;
        if is_over(&mut self.connect, setup.start_time(), connect, cx) {
            let hit = match setup.running_phase() {
                Some(Phase::Tls) => TimeoutKind::Tls,
                _ => TimeoutKind::Connect,
            };
            return Some(TimeoutError::new(hit, connect));
        }
        // Seen in the poll in which TCP or the tunnel ends, and so as soon as the handshake begins.
        let handshake = tls > Duration::ZERO && setup.running_phase() == Some(Phase::Tls);
        let over = handshake && is_over(&mut self.tls, Instant::now(), tls, cx);
        over.then(|| TimeoutError::new(TimeoutKind::Tls, tls))
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
