use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tower_service::Service;

use super::body::Seat;
use super::{TonicBody, TonicFuture};
use crate::error::Error;
use crate::limit::InFlightLimit;
use crate::observe::Observe;
use crate::outbound::Outbound;
use crate::retry::Retry;

pub(super) type Observed = Observe<InFlightLimit<Seat>>;

/// tonic's channel, observed, tracked, and sent again where that is safe; made by
/// [`Outbound::tonic`](crate::Outbound::tonic), for any generated client.
///
/// Clones share one channel. A request's extensions take a [`UrlTemplate`](crate::UrlTemplate). Every attempt knows
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
    type Response = Response<TonicBody>;
    type Error = Error;
    type Future = TonicFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Request<Body>>::poll_ready(&mut self.service, cx)
    }

    fn call(&mut self, request: Request<Body>) -> TonicFuture {
        TonicFuture::new(self.service.call(request))
    }
}

impl fmt::Debug for TonicChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TonicChannel").field("outbound", &self.outbound).finish_non_exhaustive()
    }
}
