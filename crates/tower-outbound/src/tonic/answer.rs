use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use super::channel::Observed;
use crate::error::Error;
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;
use crate::retry::{PassThrough, RetryFuture};

type Answer = ObserveBody<InFlightLimitBody<tonic::body::Body>>;
type Sent = RetryFuture<Observed, PassThrough, tonic::body::Body, Answer>;

/// The future of a call on a [`TonicChannel`](crate::tonic::TonicChannel), until the response's head.
///
/// # Cancel safety
/// Dropping it resets the stream; a connect that has begun goes on for the channel's next call. While it waits for a
/// retry there is nothing to reset.
#[must_use = "futures do nothing unless polled"]
pub struct TonicFuture(Sent);

impl TonicFuture {
    pub(super) fn new(future: Sent) -> Self {
        Self(future)
    }
}

impl Future for TonicFuture {
    type Output = Result<Response<TonicBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(|response| response.map(|body| TonicBody(Some(body))))
    }
}

impl fmt::Debug for TonicFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TonicFuture")
    }
}

/// The body of a [`TonicChannel`](crate::tonic::TonicChannel)'s response, which generated clients read; ends its attempt
/// when it ends. An empty one is what tonic's interceptors ask for.
///
/// # Cancel safety
/// Dropping it before its end resets the stream.
#[derive(Debug, Default)]
pub struct TonicBody(Option<Answer>);

impl Body for TonicBody {
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
