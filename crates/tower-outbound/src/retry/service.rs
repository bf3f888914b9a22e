use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::call::{CallOptions, RetryCall};
use super::future::RetryFuture;
use super::shared::RetryShared;
use super::{Lease, PassThrough};
use crate::error::{BoxError, Error};
use crate::util::inner_service_accessors;

/// A client whose requests are retried; from a [`RetryLayer`](super::RetryLayer).
///
/// # Start
/// The first attempt begins when the future is polled first, not when it is made: a future that waits to be awaited holds
/// no slot, counts as no attempt, and no time of its wait is reported. The call begins when the future is made, so the
/// caller's context (the parent of its spans) is that of the code that made it.
///
/// # Readiness
/// The future takes the client that `poll_ready` made ready, and a clone takes its place, once per request. The first
/// attempt goes to that client, which is made ready again for each retry, after the backoff.
// The compiler shows the struct's first line where the stack is no service.
#[derive(Clone, Debug)]
#[rustfmt::skip]
pub struct Retry<S, L = PassThrough> { // no `Service`? "If it does not compile" in tower_outbound::docs::types
    inner: S,
    pub(super) shared: Arc<RetryShared>,
    lease: L,
    options: CallOptions,
}

impl<S, L> Retry<S, L> {
    pub(super) fn new(inner: S, shared: Arc<RetryShared>, lease: L) -> Self {
        Self { inner, shared, lease, options: CallOptions::default() }
    }

    inner_service_accessors!();

    /// The client connects from a task of its own, with this timeout.
    #[cfg(feature = "tonic-channel")]
    pub(crate) fn connects_by_task(mut self, timeout: std::time::Duration) -> Self {
        self.options.connects_by_task = Some(timeout);
        self
    }

    /// The client below is an observe layer over a client without layers.
    #[cfg(feature = "client")]
    pub(crate) fn above_observe(mut self) -> Self {
        self.options.above_observe = true;
        self
    }

    /// As `call`, without a clone of the client. `in_memory`: the request's body is.
    #[cfg(any(feature = "client", feature = "reqwest"))]
    pub(crate) fn call_once<B, R>(
        self,
        request: Request<B>,
        in_memory: bool,
    ) -> RetryFuture<S, L, B, S::Future, R>
    where
        S: Service<Request<L::Leased>, Response = Response<R>>,
        L: Lease<B> + Clone,
        B: Body + Send + 'static,
        B::Data: Send,
    {
        let options = CallOptions { in_memory, ..self.options };
        let (call, request) = RetryCall::start(&self.shared, &self.lease, request, options);
        RetryFuture::new(self.inner, call, request)
    }
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
    type Future = RetryFuture<S, L, B, S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(|error| Error::from_client(error.into()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (call, request) = RetryCall::start(&self.shared, &self.lease, request, self.options);
        // The clone is not ready; the service itself is.
        let unready = self.inner.clone();
        RetryFuture::new(std::mem::replace(&mut self.inner, unready), call, request)
    }
}
