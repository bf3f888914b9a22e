//! [`Deadline`]: the instant by which calls have to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tokio::time::Instant;

tokio::task_local! {
    static CURRENT: Deadline;
}

/// As good as never.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

/// The instant by which calls have to end: their waits, their retries, their requests and their responses to the end of the
/// body.
///
/// A request has a deadline by [`RequestExt::deadline`](crate::RequestExt::deadline), by the [scope](Self::scope) in which
/// the call is made, by [`Timeouts::call`](crate::timeouts::Timeouts::call), or by
/// [`Call::with_deadline`](crate::Call::with_deadline). The earliest of them counts. The resolution is one millisecond. A
/// deadline needs a tokio runtime with its time driver enabled.
///
/// # Errors
/// A call that the deadline cuts fails with [`Kind::DeadlineExceeded`](crate::Kind::DeadlineExceeded) in the phase that was
/// running: before the response's head the call's future, afterwards the response's body. The error's source,
/// [`DeadlineElapsed`](crate::deadline::DeadlineElapsed), says how the time was spent. Once the deadline has passed,
/// calls fail at once and nothing is sent. No wait for a retry begins that would end after the deadline.
///
/// # Cancel safety
/// The deadline drops the client's future, or the body: an HTTP/1 connection closes, an HTTP/2 stream is reset.
///
/// # Example
/// Three calls have two seconds together:
/// ```
/// use std::time::Duration;
/// use tower_outbound::Deadline;
///
/// # async fn run(client: tower_outbound::OutboundClient) -> Result<(), tower_outbound::Error> {
/// let calls = async {
///     let user = client.get("http://users.test/7").await?.into_body().text().await?;
///     let cart = client.get("http://carts.test/7").await?.into_body().text().await?;
///     client.post("http://orders.test/", user + &cart).await
/// };
/// let response = Deadline::after(Duration::from_secs(2)).scope(calls).await?;
/// # drop(response);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at this instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// A deadline after this duration, counted from now. One that the clock cannot express is in thirty years.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(duration).unwrap_or_else(|| now + FAR))
    }

    /// The instant.
    #[must_use]
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// The time that is left; zero once the deadline has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The deadline of the scope in which the current task runs; `None` outside of a scope.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|deadline| *deadline).ok()
    }

    /// Puts every call that the future makes under this deadline. The future itself is not cut.
    ///
    /// A scope within a scope only shortens the deadline. A spawned task is in no scope: hand the deadline over.
    ///
    /// # Example
    /// ```
    /// # async fn work() {}
    /// # async fn run() {
    /// # use tower_outbound::Deadline;
    /// if let Some(deadline) = Deadline::current() {
    ///     tokio::spawn(deadline.scope(work()));
    /// }
    /// # }
    /// ```
    pub fn scope<F: Future>(self, future: F) -> DeadlineScope<F> {
        let deadline = Self::current().map_or(self, |outer| outer.min(self));
        DeadlineScope { inner: CURRENT.scope(deadline, future) }
    }
}

impl Deadline {
    /// Runs this in the scope of the deadline.
    pub(crate) fn enter<R>(self, run: impl FnOnce() -> R) -> R {
        let deadline = Self::current().map_or(self, |outer| outer.min(self));
        CURRENT.sync_scope(deadline, run)
    }
}

pin_project! {
    /// A future whose calls are under a deadline; from [`Deadline::scope`].
    ///
    /// # Cancel safety
    /// Dropping it drops the future inside.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct DeadlineScope<F> {
        #[pin]
        inner: TaskLocalFuture<Deadline, F>,
    }
}

impl<F: Future> Future for DeadlineScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}
