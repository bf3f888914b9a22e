//! Why a new connection has ended before it took its request.

use std::error::Error as StdError;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::lease::Lease;
use crate::error::{BoxError, ConnectionEndedError, SendError};
use crate::timer::{Timeout, Timers};

/// How long the task of a connection that takes no request may need to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A request that its new connection has not taken, until the connection's task knows why.
pub(super) struct Ending<B> {
    lease: Lease<B>,
    /// hyper's own, which may have no cause.
    error: Option<hyper::Error>,
    since: Instant,
    patience: Timeout,
}

impl<B> Ending<B> {
    pub(super) fn new(lease: Lease<B>, error: Option<hyper::Error>) -> Self {
        Self { lease, error, since: Instant::now(), patience: Timeout::new(PATIENCE) }
    }

    pub(super) fn poll(&mut self, timers: &Timers, cx: &mut Context<'_>) -> Poll<BoxError> {
        let Self { lease, error, since, patience } = self;
        let conn = lease.conn();
        // The IO knows more than hyper's error for a request that no connection took.
        let known = conn.end_cause().is_some() || conn.io_failure().is_some();
        if !known && !conn.poll_ended(cx) && !patience.poll(timers, cx, || Some(*since)) {
            return Poll::Pending;
        }
        if let Some(cause) = conn.end_cause() {
            return Poll::Ready(cause.into());
        }
        // Any other source is hyper's own text.
        let has_cause = |error: &hyper::Error| error.source().is_some_and(<dyn StdError>::is::<hyper::Error>);
        let failure = conn.io_failure().cloned();
        Poll::Ready(match error.take().filter(|error| failure.is_none() || has_cause(error)) {
            Some(error) => SendError::new(error, conn.record().cloned()).into(),
            None => ConnectionEndedError::new(failure).into(),
        })
    }
}
