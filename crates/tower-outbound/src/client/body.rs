use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::{BoxError, Error};
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;

/// The body of a response from a client of this crate. The end of the body ends the attempt.
///
/// `B` is the body of the client below: the pool's for [`OutboundClient`](crate::OutboundClient), reqwest's or tonic's for
/// the others. The default is an empty body, which tonic's interceptors ask for.
///
/// # Cancel safety
/// On HTTP/1, dropping the body before its end closes the connection, unless the client has the rest already;
/// [`OutboundClient`](crate::OutboundClient) reads up to 64 KiB of the rest for 50 ms. On HTTP/2, the drop resets the stream.
#[derive(Debug)]
pub struct ClientBody<B>(Option<ObserveBody<InFlightLimitBody<B>>>);

impl<B> ClientBody<B> {
    pub(crate) fn new(body: ObserveBody<InFlightLimitBody<B>>) -> Self {
        Self(Some(body))
    }

    pub(super) fn observed(&self) -> Option<&ObserveBody<InFlightLimitBody<B>>> {
        self.0.as_ref()
    }
}

impl<B> Default for ClientBody<B> {
    fn default() -> Self {
        Self(None)
    }
}

impl<B> Body for ClientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
