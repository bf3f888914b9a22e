use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::error::{BoxError, UploadAbandoned, UploadPanicked};
use crate::foreign::HandOffBody;
use crate::record::Attempt;
use crate::timer::{GRACE, Grace};

pin_project! {
    /// The body of an observed request: counts the bytes that the client takes.
    ///
    /// # Errors
    /// The error of the caller's body. An error of its own if the caller's body panics: the attempt then fails as
    /// [`RequestBody`](crate::Kind::RequestBody). Also an error of its own if the body has not ended a second after the attempt: the
    /// response is complete, has failed or was dropped, so nothing waits for the rest of the upload. The client then
    /// closes the connection (HTTP/1) or resets the stream (HTTP/2). Without this, a body that never ends would keep both,
    /// and the client's task, for ever.
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
        grace: Grace,
    }

    impl<B> PinnedDrop for ObserveRequestBody<B> {
        fn drop(this: Pin<&mut Self>) {
            this.inner.attempt().request_body().dropped();
        }
    }
}

impl<B> ObserveRequestBody<B> {
    pub(super) fn new(inner: B, attempt: Attempt, length: Option<u64>, watched: bool) -> Self {
        Self { inner: HandOffBody::new(inner, attempt), left: length, watched, grace: Grace::default() }
    }

    /// The caller's body.
    pub fn get_ref(&self) -> &B {
        self.inner.get_ref()
    }
}

impl<B: Body> Body for ObserveRequestBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let end = this.inner.attempt().end_time();
        if end.is_some_and(|end| end.elapsed() >= GRACE) {
            return Poll::Ready(Some(Err(UploadAbandoned.into())));
        }
        // A client polls the body in the task of its connection. A panic would end that task, for all requests of the
        // connection, or on HTTP/2 leave the stream without an end.
        let polled = catch_unwind(AssertUnwindSafe(|| this.inner.as_mut().poll_frame(cx)));
        // The body is not polled again after an error.
        let Ok(polled) = polled else { return Poll::Ready(Some(Err(UploadPanicked.into()))) };
        let record = this.inner.attempt().request_body();
        if *this.watched && polled.is_pending() {
            record.polled(true);
        }
        let Poll::Ready(frame) = polled else {
            // The end of the attempt wakes this task, unless it came before.
            return match record.wait_for_end(cx.waker()) {
                Some(end) => this.grace.poll(end, cx).map(|()| Some(Err(UploadAbandoned.into()))),
                None => Poll::Pending,
            };
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = data.remaining() as u64;
                    record.count(bytes);
                    *this.left = this.left.map(|left| left.saturating_sub(bytes));
                }
                if *this.left == Some(0) || this.inner.is_end_stream() {
                    record.complete();
                } else if *this.watched {
                    record.polled(false);
                }
            }
            Some(Err(_)) => {}
            None => record.complete(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
