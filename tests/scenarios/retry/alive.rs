//! A client whose futures and response bodies are counted while they live, and whose clones are not ready at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame};
use tower::Service;

use super::*;

/// How many futures and response bodies of the client there are.
#[derive(Clone, Default)]
pub(super) struct Alive(Arc<AtomicI64>);

impl Alive {
    pub(super) fn count(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(self.clone())
    }
}

struct One(Alive);

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The client; each clone is ready at its second poll.
pub(super) struct Watched<S> {
    inner: S,
    alive: Alive,
    polled: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, alive: &Alive) -> Self {
        Self { inner, alive: alive.clone(), polled: false }
    }
}

impl<S: Clone> Clone for Watched<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), &self.alive)
    }
}

impl<S, B, R> Service<Request<B>> for Watched<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<Live<R>>;
    type Error = S::Error;
    type Future = Live<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if std::mem::replace(&mut self.polled, true) {
            return self.inner.poll_ready(cx);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.polled = false;
        Live { inner: Box::pin(self.inner.call(request)), one: self.alive.one() }
    }
}

pub(super) struct Live<T> {
    // Before the token, so that it is gone when it is not counted any more.
    inner: Pin<Box<T>>,
    one: One,
}

impl<F: Future<Output = Result<Response<R>, E>>, R, E> Future for Live<F> {
    type Output = Result<Response<Live<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.inner.as_mut().poll(cx);
        let alive = &self.one.0;
        polled.map_ok(|response| response.map(|inner| Live { inner: Box::pin(inner), one: alive.one() }))
    }
}

impl<R: Body> Body for Live<R> {
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
