use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::exchange::Exchange;

pin_project! {
    /// The body that reqwest gets. A connection asks for it before it sends the head, and no request that follows a
    /// redirect has it: while it is untouched, reqwest has sent nothing.
    pub(super) struct Witness<B> {
        #[pin]
        inner: B,
        exchange: Option<Exchange>,
    }
}

impl<B> Witness<B> {
    pub(super) fn new(inner: B, exchange: Option<Exchange>) -> Self {
        if let Some(exchange) = &exchange {
            exchange.entrust();
        }
        Self { inner, exchange }
    }
}

fn touch(exchange: Option<&Exchange>) {
    if let Some(exchange) = exchange {
        exchange.touch();
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
        touch(this.exchange.as_ref());
        this.inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        touch(self.exchange.as_ref());
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
