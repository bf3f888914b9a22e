use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::call::RetryCall;
use super::future::RetryFuture;
use super::shared::RetryShared;
use super::{Lease, PassThrough};
use crate::error::{BoxError, Error};
use crate::util::inner_service_accessors;

/// A client whose requests are retried; from a [`RetryLayer`](super::RetryLayer).
///
/// # Readiness
/// The first attempt goes to the client that `poll_ready` made ready. The client is cloned once per request, before the
/// first attempt; the clone is made ready for each retry, after the backoff. A request whose retries are off clones
/// nothing.
#[derive(Clone, Debug)]
pub struct Retry<S, L = PassThrough> {
    inner: S,
    pub(super) shared: Arc<RetryShared>,
    lease: L,
}

impl<S, L> Retry<S, L> {
    pub(super) const fn new(inner: S, shared: Arc<RetryShared>, lease: L) -> Self {
        Self { inner, shared, lease }
    }

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
        let (call, request) = RetryCall::start(&self.shared, &self.lease, request);
        match call {
            Some(call) => {
                // The clone is not ready: `RetryFuture` polls it for readiness before each retry.
                let client = self.inner.clone();
                RetryFuture::new(self.inner.call(request), client, call)
            }
            None => RetryFuture::without_retries(self.inner.call(request)),
        }
    }
}
