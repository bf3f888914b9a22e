use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};

use super::client::Observed;
use crate::error::Error;
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;
use crate::retry::{PassThrough, RetryFuture};

type Answer = ObserveBody<InFlightLimitBody<reqwest::Body>>;

/// The future of a [`ReqwestClient`](crate::reqwest::ReqwestClient)'s request, until the response's head.
///
/// # Cancel safety
/// As [`ReqwestFuture`](crate::reqwest::ReqwestFuture). While it waits for a retry there is nothing to close.
#[must_use = "futures do nothing unless polled"]
pub struct ReqwestClientFuture(RetryFuture<Observed, PassThrough, reqwest::Body, Answer>);

impl ReqwestClientFuture {
    pub(super) fn new(future: RetryFuture<Observed, PassThrough, reqwest::Body, Answer>) -> Self {
        Self(future)
    }
}

impl Future for ReqwestClientFuture {
    type Output = Result<Response<ReqwestBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(|response| response.map(ReqwestBody))
    }
}

impl fmt::Debug for ReqwestClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestClientFuture")
    }
}

/// The body of a [`ReqwestClient`](crate::reqwest::ReqwestClient)'s response; ends its attempt when it ends.
///
/// # Cancel safety
/// Dropping it before its end closes an HTTP/1 connection unless the rest is already buffered, and resets only the
/// stream on HTTP/2.
#[derive(Debug)]
pub struct ReqwestBody(Answer);

impl Body for ReqwestBody {
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
