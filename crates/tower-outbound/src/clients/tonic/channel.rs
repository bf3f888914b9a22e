use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tower_service::Service;

use super::body::Seat;
use crate::error::Error;
use crate::in_flight::{InFlight, InFlightBody};
use crate::observe::{Observe, ObserveBody};
use crate::outbound::Outbound;
use crate::retry::{Retry, RetryFuture, Unboxed};

pub(super) type Observed = Observe<InFlight<Seat>>;
type Answer = ObserveBody<InFlightBody<Body>>;

/// tonic's channel, observed, tracked, and sent again where that is safe; made by
/// [`Outbound::tonic`](crate::Outbound::tonic), for any generated client.
///
/// Clones share one channel. A request's extensions take a [`UrlTemplate`](crate::UrlTemplate). Every exchange knows
/// its connection, also one that failed: after a reconnect the next one is on another.
#[derive(Clone)]
pub struct TonicChannel {
    outbound: Outbound,
    service: Retry<Observed>,
}

impl TonicChannel {
    pub(super) const fn new(outbound: Outbound, service: Retry<Observed>) -> Self {
        Self { outbound, service }
    }

    /// The stack that it belongs to.
    #[must_use]
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }
}

impl Service<Request<Body>> for TonicChannel {
    type Response = Response<Answer>;
    type Error = Error;
    type Future = TonicFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.service, cx)
    }

    fn call(&mut self, request: Request<Body>) -> TonicFuture {
        TonicFuture(self.service.call(request))
    }
}

impl fmt::Debug for TonicChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TonicChannel").field("outbound", &self.outbound).finish_non_exhaustive()
    }
}

/// The future of a call on a [`TonicChannel`], until the response's head.
///
/// # Cancel safety
/// Dropping it resets the stream; a connect that has begun goes on for the channel's next call. While it waits for a
/// resend there is nothing to reset.
#[must_use = "futures do nothing unless polled"]
pub struct TonicFuture(RetryFuture<Observed, Unboxed, Body, Answer>);

impl Future for TonicFuture {
    type Output = Result<Response<Answer>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for TonicFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TonicFuture")
    }
}
