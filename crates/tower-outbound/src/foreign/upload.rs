//! [`UploadTask`]: a task that sends the rest of a request body on HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::drive::take_upload;
use crate::record::Attempt;
use crate::timer::Grace;

pin_project! {
    /// A task of an HTTP/2 connection. The upload of an attempt ends a second after that.
    ///
    /// hyper spawns a task for each request body that has not ended at once. While the peer's window is full, the task does
    /// not poll the body, and would keep a stream whose response was dropped.
    ///
    /// # Cancel safety
    /// Dropping it drops the task inside: h2 resets the stream, unless its response is still in use.
    #[derive(Debug)]
    pub(crate) struct UploadTask<F, K = ()> {
        // Dropped before what it keeps.
        #[pin]
        inner: F,
        kept: K,
        attempt: Option<Attempt>,
        grace: Grace,
    }
}

impl<F, K> UploadTask<F, K> {
    /// Wraps a task that is being spawned. `kept` is dropped after the task.
    // Inline: hyper's tasks are large.
    #[inline]
    pub(crate) fn new(inner: F, kept: K) -> Self {
        let attempt = take_upload();
        Self { inner, kept, attempt, grace: Grace::default() }
    }
}

/// A task of hyper's clients.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

impl UploadTask<Task> {
    /// Wraps the task if it sends a body.
    pub(crate) fn boxed(task: Task) -> Task {
        let this = Self::new(task, ());
        if this.attempt.is_some() { Box::pin(this) } else { this.inner }
    }
}

impl<F: Future<Output = ()>, K> Future for UploadTask<F, K> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.inner.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(attempt) = this.attempt else { return Poll::Pending };
        // The end of the attempt wakes this task, unless it came before.
        let Some(end) = attempt.request_body().wait_for_end(cx.waker()) else { return Poll::Pending };
        ready!(this.grace.poll(end, cx));
        Poll::Ready(())
    }
}
