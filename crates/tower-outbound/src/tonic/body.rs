//! The seat of tonic's channel: it takes tonic's own body alone.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower_service::Service;

use super::limit::told;
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
    type Error = BoxError;
    type Future = SeatFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(told)
    }

    fn call(&mut self, request: Request<B>) -> SeatFuture {
        let whole = |body| tonic::body::Body::new(Whole { inner: body, boxed: Cell::new(false) });
        SeatFuture(self.0.call(request.map(whole)))
    }
}

/// The future of a call on the channel.
#[derive(Debug)]
pub(super) struct SeatFuture(ResponseFuture);

impl Future for SeatFuture {
    type Output = Result<Response<tonic::body::Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(told)
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
