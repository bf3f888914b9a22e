//! tonic's channel as a service of any body: the channel itself takes `tonic::body::Body` only.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::ConnectError;
use tonic::transport::Channel;
use tonic::transport::channel::ResponseFuture;
use tower_service::Service;

use super::connect_timeout::classified;
use crate::error::BoxError;
use crate::record::Attempt;
use crate::timeouts::ConnectWait;

/// Boxes the body of each request once.
#[derive(Clone, Debug)]
pub(super) struct ChannelService {
    pub(super) channel: Channel,
    /// From the user info of the endpoint's URI.
    pub(super) authorization: Option<HeaderValue>,
}

impl<B> Service<Request<B>> for ChannelService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<tonic::body::Body>;
    type Error = BoxError;
    type Future = ChannelFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(cx).map_err(classified)
    }

    fn call(&mut self, mut request: Request<B>) -> ChannelFuture {
        if let Some(authorization) = &self.authorization {
            request.headers_mut().entry(AUTHORIZATION).or_insert_with(|| authorization.clone());
        }
        let boxed = |body| tonic::body::Body::new(PolledBody { inner: body, queried: Cell::new(false) });
        ChannelFuture {
            wait: Attempt::current().and_then(ConnectWait::of),
            inner: Some(self.channel.call(request.map(boxed))),
        }
    }
}

/// The future of a call on the channel.
#[derive(Debug)]
pub(super) struct ChannelFuture {
    inner: Option<ResponseFuture>,
    wait: Option<ConnectWait>,
}

impl Future for ChannelFuture {
    type Output = Result<Response<tonic::body::Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, wait } = &mut *self;
        let polled = Pin::new(inner.as_mut().expect("polled after it was ready")).poll(cx);
        if polled.is_ready() {
            return polled.map_err(classified);
        }
        let Some(error) = wait.as_mut().and_then(|wait| wait.poll(cx)) else { return Poll::Pending };
        // From here on, the channel cannot send the request.
        *inner = None;
        // tonic makes `UNAVAILABLE` of this type.
        Poll::Ready(Err(ConnectError(error.into()).into()))
    }
}

pin_project! {
    /// A body that tonic polls even if it is empty.
    ///
    /// `tonic::body::Body::new` asks once for `is_end_stream`, and replaces an empty body by its own. The observe layer
    /// would not see that body being sent. So the first answer is `false`.
    struct PolledBody<B> {
        #[pin]
        inner: B,
        queried: Cell<bool>,
    }
}

impl<B: Body> Body for PolledBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.queried.replace(true) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
