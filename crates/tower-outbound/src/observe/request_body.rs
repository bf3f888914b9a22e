use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::foreign::HandOffBody;
use crate::record::Attempt;

pin_project! {
    /// The body of an observed request: counts the bytes that the client takes.
    ///
    /// # Cancel safety
    /// Dropping it sends nothing. The client drops it when it has taken the whole body or gives up.
    #[derive(Debug)]
    pub struct ObserveRequestBody<B> {
        #[pin]
        inner: HandOffBody<B>,
        // Bytes to the end of the body: a client that knows the length does not poll for the end.
        left: Option<u64>,
        // A timeout needs to know when the client takes data.
        watched: bool,
    }
}

impl<B> ObserveRequestBody<B> {
    pub(super) fn new(inner: B, attempt: Attempt, length: Option<u64>, watched: bool) -> Self {
        Self { inner: HandOffBody::new(inner, attempt), left: length, watched }
    }

    /// The caller's body.
    pub fn get_ref(&self) -> &B {
        self.inner.get_ref()
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
        let polled = this.inner.as_mut().poll_frame(cx);
        let record = this.inner.attempt().request_body();
        if *this.watched {
            record.polled(polled.is_pending());
        }
        let frame = ready!(polled);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = data.remaining() as u64;
                    record.count(bytes);
                    *this.left = this.left.map(|left| left.saturating_sub(bytes));
                }
                if *this.left == Some(0) || this.inner.is_end_stream() {
                    record.complete();
                }
            }
            Some(Err(_)) => {}
            None => record.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
