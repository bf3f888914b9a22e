use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::lease::{BodyLease, Lease};

/// The body of a [`Pool`](super::Pool)'s response: hyper's. Its end gives the connection back.
///
/// # Cancel safety
/// On HTTP/1, dropping the body before its end closes the connection, unless the rest of the body is already buffered. On
/// HTTP/2, it resets the stream.
#[derive(Debug)]
pub struct PoolBody {
    // Dropped before the lease.
    inner: Incoming,
    lease: Option<BodyLease>,
}

impl PoolBody {
    pub(super) fn new<B: Send + 'static>(inner: Incoming, lease: Lease<B>) -> Self {
        // An empty body is over.
        let lease = (!inner.is_end_stream()).then(|| lease.erase());
        Self { inner, lease }
    }
}

impl Body for PoolBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let over = match &polled {
            Poll::Ready(Some(Ok(_))) => self.inner.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Pending => false,
        };
        if over {
            self.lease = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
