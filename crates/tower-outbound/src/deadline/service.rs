use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{DeadlineBody, DeadlineFuture};
use crate::error::{BoxError, Error};
use crate::record::Deadline;
use crate::util::inner_service_accessors;

/// A service whose requests have a deadline; from a [`DeadlineLayer`](super::DeadlineLayer).
///
/// # Errors
/// An [`Error`] with [`Kind::DeadlineExceeded`](crate::Kind::DeadlineExceeded) and a
/// [`DeadlineElapsed`](super::DeadlineElapsed) as its source. Past the deadline, the service below is not called. Errors of the
/// service below are [classified](crate::Failure::of).
#[derive(Clone, Copy, Debug)]
pub struct DeadlineService<S> {
    pub(super) inner: S,
    pub(super) after: Duration,
}

impl<S> DeadlineService<S> {
    inner_service_accessors!();
}

impl<S, B, R> Service<Request<B>> for DeadlineService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<DeadlineBody<R>>;
    type Error = Error;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(|error| Error::from_client(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let own = (!self.after.is_zero()).then(|| Deadline::after(self.after));
        let known = [request.extensions().get::<Deadline>().copied(), Deadline::current()];
        let Some(deadline) = known.into_iter().flatten().chain(own).min() else {
            return DeadlineFuture::without(self.inner.call(request));
        };
        if deadline.has_passed() {
            return DeadlineFuture::passed();
        }
        request.extensions_mut().insert(deadline);
        let future = deadline.enter(|| self.inner.call(request));
        DeadlineFuture::until(deadline, future)
    }
}
