use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::record::Attempt;

pin_project! {
    /// The request body that reqwest gets. A connection asks for the body before it sends the head, and a request that
    /// follows a redirect has another body: as long as this body is untouched, reqwest has sent nothing. If the body is
    /// dropped then, reqwest never sends the request.
    pub(crate) struct RedirectGuardBody<B> {
        #[pin]
        inner: B,
        attempt: Option<Attempt>,
    }

    impl<B> PinnedDrop for RedirectGuardBody<B> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(attempt) = &this.attempt {
                attempt.request_body().dropped_by_redirect_client();
            }
        }
    }
}

impl<B> RedirectGuardBody<B> {
    /// `reported`: the client reports each redirect.
    pub(crate) fn new(inner: B, attempt: Option<Attempt>, reported: bool) -> Self {
        if let Some(attempt) = &attempt {
            attempt.request_body().handed_to_redirect_client();
            if reported {
                attempt.request_body().redirects_are_reported();
            }
        }
        Self { inner, attempt }
    }
}

fn mark_touched(attempt: Option<&Attempt>) {
    if let Some(attempt) = attempt {
        attempt.request_body().mark_touched();
    }
}

impl<B: Body> Body for RedirectGuardBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        mark_touched(this.attempt.as_ref());
        this.inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        mark_touched(self.attempt.as_ref());
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
