use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::{DeadlineHeaders, IncomingDeadlineBody, IncomingDeadlineFuture};
use crate::event::log;
use crate::record::Deadline;
use crate::util::http::has_grpc_content_type;
use crate::util::inner_service_accessors;

/// A service whose handler runs in the scope of the request's deadline; from an
/// [`IncomingDeadlineLayer`](super::IncomingDeadlineLayer).
#[derive(Clone, Debug)]
pub struct IncomingDeadline<S> {
    pub(super) inner: S,
    pub(super) headers: DeadlineHeaders,
}

impl<S> IncomingDeadline<S> {
    inner_service_accessors!();
}

impl<S, B, R> Service<Request<B>> for IncomingDeadline<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<IncomingDeadlineBody<R>>;
    type Error = S::Error;
    type Future = IncomingDeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let headers = request.headers();
        let time = self.headers.read(has_grpc_content_type(headers), headers).unwrap_or_else(|name| {
            log::invalid_timeout(name.as_str());
            None
        });
        let Some(time) = time else { return IncomingDeadlineFuture::without(self.inner.call(request)) };
        let deadline = Deadline::after(time);
        let known = [request.extensions().get::<Deadline>().copied(), Deadline::current()];
        let deadline = known.into_iter().flatten().fold(deadline, Deadline::min);
        request.extensions_mut().insert(deadline);
        let future = deadline.enter(|| self.inner.call(request));
        IncomingDeadlineFuture::within(deadline, future)
    }
}
