use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::future::Guard;
use crate::classify::Failure;
use crate::error::{BoxError, Error};
use crate::event::Outcome;

pin_project! {
    /// The body of an observed response: ends the exchange when it ends.
    ///
    /// A body counts as ended also when it says so by `is_end_stream`, since hyper drops it without polling
    /// it to `None`. It adds no buffering and no allocation per frame.
    ///
    /// # Cancel safety
    /// Dropping it before its end closes an HTTP/1 connection unless the rest is already buffered, and
    /// resets only the stream on HTTP/2. The exchange ends as cancelled in phase body.
    #[derive(Debug)]
    pub struct ObserveBody<B> {
        // Before `inner`, so that a drop tells why before the connection goes.
        guard: Guard,
        #[pin]
        inner: B,
    }
}

impl<B: Body> ObserveBody<B> {
    pub(super) fn new(inner: B, guard: Guard) -> Self {
        let body = Self { inner, guard };
        if body.inner.is_end_stream() {
            body.guard.exchange().finish(&Outcome::Ok);
        }
        body
    }
}

impl<B> ObserveBody<B> {
    /// The client's own body.
    pub fn get_ref(&self) -> &B {
        &self.inner
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
        let exchange = this.guard.exchange();
        let frame = {
            let _scope = exchange.enter();
            ready!(this.inner.as_mut().poll_frame(cx))
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    exchange.count_response(data.remaining() as u64);
                }
                if this.inner.is_end_stream() {
                    exchange.finish(&Outcome::Ok);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                let error = error.into();
                let failure = Failure::of(&*error).in_exchange(|| exchange.failing_phase()).sent_by(exchange);
                exchange.finish(&Outcome::Failed(failure.clone()));
                Some(Err(Error::new(failure, Some(exchange.clone()), error)))
            }
            None => {
                exchange.finish(&Outcome::Ok);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
