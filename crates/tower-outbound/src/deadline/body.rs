use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::future::Cut;
use crate::error::{BoxError, Error};
use crate::failure::Phase;
use crate::record::Deadline;

pin_project! {
    /// The body of a response under a deadline; from a [`DeadlineService`](super::DeadlineService). Nothing is buffered or
    /// allocated.
    ///
    /// # Cancel safety
    /// Dropping it drops the client's body, as the deadline does: an HTTP/1 connection closes, an HTTP/2 stream is reset.
    #[derive(Debug)]
    pub struct DeadlineBody<B> {
        #[pin]
        inner: Option<B>,
        #[pin]
        cut: Option<Cut>,
    }
}

impl<B: Body> DeadlineBody<B> {
    pub(super) fn new(inner: B, until: Option<(Instant, Deadline)>) -> Self {
        let until = until.filter(|_| !inner.is_end_stream());
        Self { inner: Some(inner), cut: until.map(|(start, deadline)| Cut::new(start, deadline)) }
    }
}

impl<B> DeadlineBody<B> {
    /// The client's body; `None` after the deadline.
    pub fn get_ref(&self) -> Option<&B> {
        self.inner.as_ref()
    }
}

impl<B> Body for DeadlineBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let polled = inner.as_mut().poll_frame(cx).map_err(|error| Error::from_client(error.into()));
        let ended = match &polled {
            Poll::Ready(frame) => !matches!(frame, Some(Ok(_))) || inner.is_end_stream(),
            Poll::Pending => false,
        };
        if ended {
            this.cut.set(None);
            return polled;
        }
        // A body that makes progress is cut too.
        let cut = this.cut.as_mut().as_pin_mut().map(|cut| cut.poll(Some(Phase::Body), cx));
        match cut {
            Some(Poll::Ready(error)) => {
                this.inner.set(None);
                this.cut.set(None);
                Poll::Ready(Some(Err(error)))
            }
            _ => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
