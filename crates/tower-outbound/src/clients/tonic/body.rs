//! The seat of tonic's channel: it takes tonic's own body alone.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower_service::Service;

use crate::error::BoxError;

/// Boxes the body of each request, once.
#[derive(Clone, Debug)]
pub(super) struct Seat(pub(super) Channel);

impl<B> Service<Request<B>> for Seat
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<tonic::body::Body>;
    type Error = tonic::transport::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.0
            .call(request.map(|body| tonic::body::Body::new(Whole { inner: body, boxed: Cell::new(false) })))
    }
}

pin_project! {
    /// tonic drops a body that is empty and sends one of its own, which would tell nobody of the sending: so it is told
    /// once, when it boxes the body, that it is not.
    struct Whole<B> {
        #[pin]
        inner: B,
        boxed: Cell<bool>,
    }
}

impl<B: Body> Body for Whole<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.boxed.replace(true) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
