use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use hyper::body::Incoming;

use super::client::Observed;
use super::{RequestBody, ResponseBody};
use crate::error::Error;
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;
use crate::retry::{PassThrough, RetryFuture};

/// The future of a request, until the response's head.
///
/// # Cancel safety
/// Dropping it closes an HTTP/1 connection on which the request was being sent or answered, and resets the
/// stream on HTTP/2. A connect that has begun may go on in the background and serve another request. While it
/// waits for a retry there is nothing to close.
#[must_use = "futures do nothing unless polled"]
pub struct ClientFuture(State);

type Sent = RetryFuture<Observed, PassThrough, RequestBody, ObserveBody<InFlightLimitBody<Incoming>>>;

#[expect(clippy::large_enum_variant, reason = "a box would be paid by each request that is valid")]
enum State {
    Sent(Sent),
    Failed(Option<Error>),
}

impl ClientFuture {
    pub(super) fn new(future: Sent) -> Self {
        Self(State::Sent(future))
    }

    pub(super) fn failed(error: Error) -> Self {
        Self(State::Failed(Some(error)))
    }
}

impl Future for ClientFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Sent(future) => {
                Pin::new(future).poll(cx).map_ok(|response| response.map(ResponseBody::new))
            }
            State::Failed(error) => Poll::Ready(Err(error.take().expect("polled after it was ready"))),
        }
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientFuture")
    }
}
