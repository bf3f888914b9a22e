use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::permit::{Holder, Limiter, Wait};
use super::{InFlightLimitBody, InFlightLimitFuture};
use crate::error::BoxError;
use crate::record::{Attempt, Setup};
use crate::util::inner_service_accessors;

/// A client with at most so many requests in flight: see [`InFlightLimitLayer`](super::InFlightLimitLayer).
///
/// It is ready when the client is. Where a request has to wait, the readiness is given up, and another clone of the
/// client is made ready once there is a slot.
///
/// # Errors
/// [`PoolTimeoutError`](crate::limit::PoolTimeoutError) and [`QueueFullError`](crate::limit::QueueFullError), boxed as they are, and
/// the client's own errors.
#[derive(Clone, Debug)]
pub struct InFlightLimit<S> {
    pub(super) inner: S,
    pub(super) limiter: Option<Arc<Limiter>>,
}

impl<S> InFlightLimit<S> {
    inner_service_accessors!();
}

/// Whose slot it will be.
fn holder<B>(limiter: &Limiter, request: &Request<B>) -> Holder {
    // A resolver or connector may well send requests of its own, inside the attempt that it works for.
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(limiter) = &self.limiter else {
            return InFlightLimitFuture::called(self.inner.call(request), None);
        };
        match limiter.take(holder(limiter, &request)) {
            Ok(permit) => {
                permit.had_at_once();
                InFlightLimitFuture::called(self.inner.call(request), Some(permit))
            }
            Err(holder) => {
                let wait = Wait::new(Arc::clone(limiter), holder);
                // What was made ready may be a place in a queue of the client's: it is not held while waiting.
                self.inner = self.inner.clone();
                InFlightLimitFuture::waiting(self.inner.clone(), request, wait)
            }
        }
    }
}
