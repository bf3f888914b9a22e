use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::client::Observed;
use super::{RequestBody, ResponseBody, client_future};
use crate::error::Error;
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;
use crate::pool::PoolBody;
use crate::retry::{LeasedBody, PassThrough, RetryFuture};

type Attempt = <Observed as Service<Request<LeasedBody<RequestBody>>>>::Future;
type Observing = ObserveBody<InFlightLimitBody<PoolBody>>;

client_future! {
    /// The future of an [`OutboundClient`](crate::OutboundClient)'s request, until the response's head.
    ///
    /// # Cancel safety
    /// On HTTP/1, dropping the future closes the connection on which the request is being sent or answered. On HTTP/2, it
    /// resets the stream. A connect that has begun may go on in the background and serve another request. During the
    /// backoff before a retry there is nothing to close.
    pub struct ClientFuture(Pending) -> ResponseBody;
}

#[expect(clippy::large_enum_variant, reason = "each valid request would pay for a box")]
pub(super) enum Pending {
    Sent(RetryFuture<Observed, PassThrough, RequestBody, Attempt, Observing>),
    /// The request was refused before it reached the stack.
    Refused(Option<Error>),
}

impl Future for Pending {
    type Output = Result<Response<Observing>, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Sent(future) => Pin::new(future).poll(cx),
            Self::Refused(error) => Poll::Ready(Err(error.take().expect("polled after it was ready"))),
        }
    }
}
