//! A client that counts its live futures and response bodies, and whose clones are not ready at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame};
use tower::Service;

use super::*;

/// Counts the live futures and response bodies of a client.
#[derive(Clone, Default)]
pub(super) struct LiveCount(Arc<AtomicI64>);

impl LiveCount {
    pub(super) fn count(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn token(&self) -> Token {
        self.0.fetch_add(1, Ordering::Relaxed);
        Token(self.clone())
    }
}

struct Token(LiveCount);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client that counts; each clone is ready at its second poll.
pub(super) struct CountedClient<S> {
    inner: S,
    alive: LiveCount,
    polled: bool,
}

impl<S> CountedClient<S> {
    pub(super) fn new(inner: S, alive: &LiveCount) -> Self {
        Self { inner, alive: alive.clone(), polled: false }
    }
}

impl<S: Clone> Clone for CountedClient<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), &self.alive)
    }
}

impl<S, B, R> Service<Request<B>> for CountedClient<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<Counted<R>>;
    type Error = S::Error;
    type Future = Counted<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if std::mem::replace(&mut self.polled, true) {
            return self.inner.poll_ready(cx);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.polled = false;
        Counted { inner: Box::pin(self.inner.call(request)), token: self.alive.token() }
    }
}

pub(super) struct Counted<T> {
    // Before the token: dropped before the count goes down.
    inner: Pin<Box<T>>,
    token: Token,
}

impl<F: Future<Output = Result<Response<R>, E>>, R, E> Future for Counted<F> {
    type Output = Result<Response<Counted<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.inner.as_mut().poll(cx);
        let alive = &self.token.0;
        polled
            .map_ok(|response| response.map(|inner| Counted { inner: Box::pin(inner), token: alive.token() }))
    }
}

impl<R: Body> Body for Counted<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        self.inner.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.size_hint()
    }
}
