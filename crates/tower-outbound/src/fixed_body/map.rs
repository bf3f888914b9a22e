use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

use crate::util::inner_service_accessors;

/// Middleware that converts the request's body: see [`FixedBodyLayer`](super::FixedBodyLayer).
#[derive(Clone, Debug)]
pub struct MapBody<S, M> {
    inner: S,
    convert: M,
}

impl<S, M> MapBody<S, M> {
    pub(super) const fn new(inner: S, convert: M) -> Self {
        Self { inner, convert }
    }

    inner_service_accessors!();
}

impl<S, M, Q, B> Service<Request<Q>> for MapBody<S, M>
where
    S: Service<Request<B>>,
    M: Fn(Q) -> B,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> S::Future {
        self.inner.call(request.map(&self.convert))
    }
}
