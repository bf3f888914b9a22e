use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::record::Attempt;

pin_project! {
    /// The body of an observed request: counts what the client takes of it, and says when it is whole.
    ///
    /// # Cancel safety
    /// The client drops it when it has taken all, or gives up: nothing is sent by the drop itself.
    #[derive(Debug)]
    pub struct ObserveRequestBody<B> {
        #[pin]
        inner: B,
        attempt: Attempt,
        polled: bool,
        // Bytes until the body is whole: a client that was told the length does not poll for the end.
        left: Option<u64>,
        // A timeout wants to know when the client takes something of it.
        watched: bool,
    }

    impl<B> PinnedDrop for ObserveRequestBody<B> {
        fn drop(this: Pin<&mut Self>) {
            this.attempt.body_astray();
        }
    }
}

impl<B> ObserveRequestBody<B> {
    pub(super) fn new(inner: B, attempt: Attempt, length: Option<u64>, watched: bool) -> Self {
        Self { inner, attempt, polled: false, left: length, watched }
    }

    /// The caller's own body.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl<B: Body> Body for ObserveRequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if !std::mem::replace(this.polled, true) {
            this.attempt.body_astray();
        }
        let polled = this.inner.as_mut().poll_frame(cx);
        if *this.watched {
            this.attempt.given(polled.is_pending());
        }
        let frame = ready!(polled);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = data.remaining() as u64;
                    this.attempt.count_request(bytes);
                    *this.left = this.left.map(|left| left.saturating_sub(bytes));
                }
                if *this.left == Some(0) || this.inner.is_end_stream() {
                    this.attempt.request_done();
                }
            }
            Some(Err(_)) => {}
            None => this.attempt.request_done(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let ended = self.inner.is_end_stream();
        if !self.polled {
            self.attempt.asked();
            if ended {
                self.attempt.request_done();
            }
        }
        ended
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
