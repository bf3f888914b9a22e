use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::record::Attempt;

pin_project! {
    /// The body that reqwest gets. A connection asks for it before it sends the head, and no request that follows a
    /// redirect has it: while it is untouched, reqwest has sent nothing.
    pub(crate) struct Witness<B> {
        #[pin]
        inner: B,
        attempt: Option<Attempt>,
    }
}

impl<B> Witness<B> {
    pub(crate) fn new(inner: B, attempt: Option<Attempt>) -> Self {
        if let Some(attempt) = &attempt {
            attempt.entrust();
        }
        Self { inner, attempt }
    }
}

fn touch(attempt: Option<&Attempt>) {
    if let Some(attempt) = attempt {
        attempt.touch();
    }
}

impl<B: Body> Body for Witness<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        touch(this.attempt.as_ref());
        this.inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        touch(self.attempt.as_ref());
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
