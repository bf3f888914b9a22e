//! [`Grace`]: how long an upload may go on after its attempt.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long an upload may go on after its response and its attempt.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The rest of the grace of one upload. Boxed, since uploads rarely outlive their attempts.
#[derive(Debug, Default)]
pub(crate) struct Grace(Option<Pin<Box<Sleep>>>);

impl Grace {
    /// Ready when the grace is over. Without a tokio runtime there is no timer, and no grace.
    pub(crate) fn poll(&mut self, end: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_none() && Handle::try_current().is_err() {
            return Poll::Ready(());
        }
        self.0.get_or_insert_with(|| Box::pin(sleep_until(end + GRACE))).as_mut().poll(cx)
    }
}
