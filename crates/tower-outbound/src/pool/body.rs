use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::drain::Drain;
use super::lease::{BodyLease, Lease};

/// The body of a [`Pool`](super::Pool)'s response: hyper's. Its end gives the connection back.
///
/// # Cancel safety
/// On HTTP/1, the rest of a body that is dropped before its end is read by a task, within the bounds of
/// [`drain_up_to`](super::PoolBuilder::drain_up_to) and [`drain_timeout`](super::PoolBuilder::drain_timeout). Then the
/// connection serves the next request; beyond the bounds it closes. On HTTP/2, the drop resets the stream.
#[derive(Debug)]
pub struct PoolBody {
    // Dropped before the lease. `None` while it is dropped.
    inner: Option<Incoming>,
    lease: Option<BodyLease>,
}

impl PoolBody {
    pub(super) fn new<B: Send + 'static>(inner: Incoming, lease: Lease<B>) -> Self {
        // An empty body is over.
        let lease = (!inner.is_end_stream()).then(|| lease.erase());
        Self { inner: Some(inner), lease }
    }
}

impl Body for PoolBody {
    type Data = Bytes;
    type Error = hyper::Error;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let polled = Pin::new(&mut *inner).poll_frame(cx);
        let over = match &polled {
            Poll::Ready(Some(Ok(_))) => inner.is_end_stream(),
            Poll::Ready(None | Some(Err(_))) => true,
            Poll::Pending => false,
        };
        if over {
            self.lease = None;
        }
        polled
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for PoolBody {
    fn drop(&mut self) {
        if let (Some(lease), Some(rest)) = (self.lease.take(), self.inner.take()) {
            Drain::begin(rest, lease);
        }
    }
}
