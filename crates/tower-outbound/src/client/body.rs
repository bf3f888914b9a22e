use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use crate::error::{BoxError, Error};
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;

/// The body of a request as the client sends it: any body, boxed once.
pub struct RequestBody(UnsyncBoxBody<Bytes, BoxError>);

impl RequestBody {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(UnsyncBoxBody::new(AnyBody { inner: body }))
    }

    pub(super) fn empty() -> Self {
        Self(UnsyncBoxBody::new(Empty::new().map_err(never)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestBody")
    }
}

pin_project! {
    /// Any body, with bytes as data; unlike http-body-util's `MapFrame` it keeps the size hint.
    struct AnyBody<B> {
        #[pin]
        inner: B,
    }
}

impl<B> Body for AnyBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.project().inner.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(to_bytes)).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of a response; ends its attempt when it ends.
///
/// # Cancel safety
/// Dropping it before its end closes an HTTP/1 connection unless the rest is already buffered, and resets
/// only the stream on HTTP/2.
#[derive(Debug)]
pub struct ResponseBody(ObserveBody<InFlightLimitBody<Incoming>>);

impl ResponseBody {
    pub(super) fn new(body: ObserveBody<InFlightLimitBody<Incoming>>) -> Self {
        Self(body)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// Nothing that a [`RequestBody`] without data could fail with.
fn never(error: Infallible) -> BoxError {
    match error {}
}

/// Data of any kind as bytes; those that are bytes already are not copied.
fn to_bytes(mut data: impl bytes::Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}
