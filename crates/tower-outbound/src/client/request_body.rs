use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use pin_project_lite::pin_project;

use crate::error::BoxError;

/// The body of a request: any body, boxed once.
///
/// The verbs of [`OutboundClient`](crate::OutboundClient) take whatever converts into it. Bytes of known length are sent
/// with a `content-length`.
///
/// # Example
/// ```
/// use tower_outbound::client::RequestBody;
///
/// let text = RequestBody::from("a=1");
///
/// /// What a server has received, to be sent on.
/// fn forward(request: http::Request<hyper::body::Incoming>) -> RequestBody {
///     RequestBody::new(request.into_body())
/// }
/// # let _ = (text, forward);
/// ```
pub struct RequestBody(UnsyncBoxBody<Bytes, BoxError>);

impl RequestBody {
    /// Boxes a body; a `RequestBody` is returned as it is.
    #[must_use]
    pub fn new<B>(body: B) -> Self
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        match (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>().and_then(Option::take) {
            Some(body) => body,
            None => Self(UnsyncBoxBody::new(AnyBody { inner: body.expect("not taken") })),
        }
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self(UnsyncBoxBody::new(Empty::new().map_err(never)))
    }
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self(UnsyncBoxBody::new(Full::new(bytes).map_err(never)))
    }
}

macro_rules! from_bytes {
    ($($type:ty),+) => {$(
        impl From<$type> for RequestBody {
            fn from(bytes: $type) -> Self {
                Bytes::from(bytes).into()
            }
        }
    )+};
}

from_bytes!(String, Vec<u8>, &'static str, &'static [u8]);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    #[inline]
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
    /// A body whose data is converted to `Bytes`. http-body-util's `MapFrame` would lose the size hint.
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

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.project().inner.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(to_bytes)).map_err(Into::into)))
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Bytes in memory never fail.
fn never(error: Infallible) -> BoxError {
    match error {}
}

/// `Bytes` are not copied; data of any other type is.
fn to_bytes(mut data: impl bytes::Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}
