use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::future::Guard;
use crate::error::{BoxError, Error};
use crate::event::Outcome;
use crate::failure::Failure;
#[cfg(any(feature = "client", feature = "reqwest", feature = "tonic-channel"))]
use crate::record::Attempt;
use crate::record::AttemptScope;
use crate::timeouts::{AttemptTimers, finish_timed_out};

pin_project! {
    /// The body of an observed response. The attempt ends with the body.
    ///
    /// A body also ends with its trailers, and when `is_end_stream` is true: hyper drops it without polling it to `None`.
    /// No buffering, and no allocation per frame.
    ///
    /// # Cancel safety
    /// Dropping the body before its end resets the stream on HTTP/2. An HTTP/1 connection closes, unless the client has the
    /// rest already or reads the rest, as the [pool](crate::pool::PoolBody) of this crate does within bounds. The attempt ends as cancelled in phase body. A timeout drops the client's body in the same way
    /// before it returns the error, and no frame follows.
    #[derive(Debug)]
    pub struct ObserveBody<B> {
        // Before `inner`, so that a drop records the reason before the connection closes.
        guard: Guard,
        #[pin]
        inner: Option<B>,
        watch: Option<AttemptTimers>,
    }
}

impl<B: Body> ObserveBody<B> {
    pub(super) fn new(inner: B, guard: Guard, watch: Option<AttemptTimers>) -> Self {
        if !inner.is_end_stream() {
            return Self { guard, inner: Some(inner), watch };
        }
        guard.attempt().response().finish(&Outcome::Ok);
        Self { guard, inner: Some(inner), watch: None }
    }
}

impl<B> ObserveBody<B> {
    /// The client's body; `None` after a timeout.
    pub fn get_ref(&self) -> Option<&B> {
        self.inner.as_ref()
    }

    /// The attempt of the response.
    #[cfg(any(feature = "client", feature = "reqwest", feature = "tonic-channel"))]
    pub(crate) fn attempt(&self) -> &Attempt {
        self.guard.attempt()
    }
}

impl<B> Body for ObserveBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let mut this = self.project();
        let attempt = this.guard.attempt();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let polled = {
            let _scope = AttemptScope::enter(attempt);
            inner.as_mut().poll_frame(cx)
        };
        let hit = match &polled {
            Poll::Pending => this.watch.as_mut().and_then(|watch| watch.poll_body(attempt, cx)),
            Poll::Ready(Some(Ok(_))) => this.watch.as_mut().and_then(|watch| watch.on_frame(attempt)),
            Poll::Ready(_) => None,
        };
        if let Some(hit) = hit.filter(|_| !inner.is_end_stream()) {
            let error = finish_timed_out(attempt, hit, || {});
            this.inner.set(None);
            *this.watch = None;
            return Poll::Ready(Some(Err(error)));
        }
        polled.map(|frame| match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    attempt.response().count(data.remaining() as u64);
                }
                if let Some(trailers) = frame.trailers_ref() {
                    attempt.response().trailers(trailers);
                }
                // Trailers are the last frame, and some callers do not poll again.
                if frame.is_trailers() || inner.is_end_stream() {
                    attempt.response().finish(&Outcome::Ok);
                    *this.watch = None;
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = error.into();
                let failure = Failure::of(&*error).in_attempt(|| attempt.response().failing_phase());
                let failure = attempt.attribute(failure);
                attempt.response().finish(&Outcome::Failed(failure.clone()));
                *this.watch = None;
                Some(Err(Error::new(failure, Some(attempt.clone()), error)))
            }
            None => {
                attempt.response().finish(&Outcome::Ok);
                *this.watch = None;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
