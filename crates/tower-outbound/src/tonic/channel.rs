use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::Channel;
use tower_service::Service;

use super::service::ChannelService;
use super::{TonicBody, TonicFuture};
use crate::error::Error;
use crate::limit::InFlightLimit;
use crate::observe::Observe;
use crate::outbound::Outbound;
use crate::retry::Retry;

pub(super) type Observed = Observe<InFlightLimit<ChannelService>>;

/// tonic's channel with every layer in its place, for any generated client; made by
/// [`Outbound::tonic`](crate::Outbound::tonic).
///
/// Clones share one channel. [`RequestExt`](crate::RequestExt) sets the options of one call. Every attempt knows its
/// connection, even if it failed.
#[derive(Clone)]
pub struct TonicChannel {
    outbound: Outbound,
    service: Retry<Observed>,
}

impl TonicChannel {
    pub(super) const fn new(outbound: Outbound, service: Retry<Observed>) -> Self {
        Self { outbound, service }
    }

    /// tonic's channel. A call on it passes no layer above it: no retry, no observe and no in-flight limit.
    #[must_use]
    pub fn get_ref(&self) -> &Channel {
        &self.service.get_ref().get_ref().get_ref().channel
    }

    /// tonic's channel, without the layers above it.
    #[must_use]
    pub fn into_inner(self) -> Channel {
        self.service.into_inner().into_inner().into_inner().channel
    }

    /// The stack around the channel.
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
