use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::RetryFuture;
use super::plan::Plan;
use super::{Lease, PassThrough, RetryLayer};
use crate::error::{BoxError, Error};
use crate::util::inner_service_accessors;

/// A client whose requests are sent again where that is safe: see [`RetryLayer`](super::RetryLayer).
#[derive(Clone, Debug)]
pub struct Retry<S, L = PassThrough> {
    pub(super) inner: S,
    pub(super) layer: RetryLayer<L>,
}

impl<S, L> Retry<S, L> {
    inner_service_accessors!();
}

impl<S, L, B, R> Service<Request<B>> for Retry<S, L>
where
    S: Service<Request<L::Leased>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    L: Lease<B> + Clone,
    B: Body + Unpin + Send + 'static,
    B::Data: Clone + Send,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = RetryFuture<S, L, B, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(|error| Error::from_client(error.into()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes to the first attempt; the clone is made ready when it is needed.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone.clone());
        let (plan, first) = Plan::new(&self.layer, request);
        RetryFuture::new(ready.call(first), clone, plan)
    }
}
