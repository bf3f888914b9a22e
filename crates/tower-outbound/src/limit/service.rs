use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::acquire::Acquire;
use super::limiter::{Holder, Limiter};
use super::{InFlightLimitBody, InFlightLimitFuture};
use crate::error::BoxError;
use crate::record::{Attempt, Setup};
use crate::util::inner_service_accessors;

/// Middleware that limits the requests in flight: see [`InFlightLimitLayer`](super::InFlightLimitLayer).
///
/// Ready when the inner service is. A request that has to wait gives that readiness up; a clone of the inner service is
/// made ready after the slot was granted.
///
/// # Errors
/// A boxed [`PoolTimeoutError`](crate::limit::PoolTimeoutError) or [`QueueFullError`](crate::limit::QueueFullError), and the
/// errors of the inner service.
#[derive(Clone, Debug)]
pub struct InFlightLimit<S> {
    pub(super) inner: S,
    pub(super) limiter: Arc<Limiter>,
}

impl<S> InFlightLimit<S> {
    inner_service_accessors!();
}

fn holder<B>(limiter: &Limiter, request: &Request<B>) -> Holder {
    // Not if a resolver or connector sends a request of its own: the current attempt is then another one.
    let attempt = Attempt::current().filter(|_| Setup::current().is_none());
    match attempt.filter(|attempt| attempt.registry().is(limiter.registry())) {
        Some(attempt) => Holder { origin: attempt.origin().clone(), attempt: Some(attempt) },
        None => Holder { origin: limiter.registry().origin(request.uri()), attempt: None },
    }
}

impl<S, B, R> Service<Request<B>> for InFlightLimit<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Response = Response<InFlightLimitBody<R>>;
    type Error = BoxError;
    type Future = InFlightLimitFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let limiter = &self.limiter;
        if limiter.is_unlimited() {
            return InFlightLimitFuture::called(self.inner.call(request), None);
        }
        match limiter.try_acquire(holder(limiter, &request)) {
            Ok(permit) => {
                permit.skip_queue();
                InFlightLimitFuture::called(self.inner.call(request), Some(permit))
            }
            Err(holder) => {
                let acquire = Acquire::new(Arc::clone(limiter), holder);
                // Readiness may reserve a place in the client's own queue: drop it while the request waits.
                self.inner = self.inner.clone();
                InFlightLimitFuture::waiting(self.inner.clone(), request, acquire)
            }
        }
    }
}
