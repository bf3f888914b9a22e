use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::record::Deadline;

pin_project! {
    /// The body of a response of an [`IncomingDeadline`](super::IncomingDeadline): calls that it makes while it is polled are
    /// in the scope of the request's deadline.
    ///
    /// # Cancel safety
    /// Dropping it drops the handler's body.
    #[derive(Debug)]
    pub struct IncomingDeadlineBody<B> {
        #[pin]
        inner: B,
        deadline: Option<Deadline>,
    }
}

impl<B> IncomingDeadlineBody<B> {
    pub(super) const fn new(inner: B, deadline: Option<Deadline>) -> Self {
        Self { inner, deadline }
    }

    /// The handler's body.
    pub const fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The handler's body.
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B: Body> Body for IncomingDeadlineBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        match *this.deadline {
            Some(deadline) => deadline.enter(|| this.inner.poll_frame(cx)),
            None => this.inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
