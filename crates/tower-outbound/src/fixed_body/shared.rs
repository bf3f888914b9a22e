//! One service for all clones.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tower_service::Service;

/// A service that its clones share. The service itself need not be `Clone`.
///
/// Always ready: each future waits until the service is ready for it, in the order of the first polls, and calls it then,
/// in the caller's task. A service that is ready at once costs a lock that nothing else holds; the lock is held to the
/// return of the service's `call`.
pub struct Shared<S> {
    service: Arc<Mutex<S>>,
}

impl<S> Shared<S> {
    pub(super) fn new(service: S) -> Self {
        Self { service: Arc::new(Mutex::new(service)) }
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service) }
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl<S, Q> Service<Q> for Shared<S>
where
    S: Service<Q> + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SharedFuture<S, Q, S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let turn = Turn::First { service: Arc::clone(&self.service) };
        SharedFuture { state: State::Waiting { turn, request: Some(request) } }
    }
}

pin_project! {
    /// The future of a [`Shared`] service: waits for the service, then for its response.
    ///
    /// # Cancel safety
    /// Dropping it while the request waits sends nothing, and the next request gets the service. Later, dropping it drops
    /// the service's future.
    #[must_use = "futures do nothing unless polled"]
    pub struct SharedFuture<S, Q, F> {
        #[pin]
        state: State<S, Q, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Q, F> {
        Waiting { turn: Turn<S>, request: Option<Q> },
        Called { #[pin] future: F },
    }
}

/// Whose turn it is to make the service ready: its `poll_ready` wakes the task that polled it last, so one task polls it at
/// a time.
enum Turn<S> {
    First { service: Arc<Mutex<S>> },
    // Boxed: the future has no name, and is rare.
    Queued { lock: Pin<Box<dyn Future<Output = OwnedMutexGuard<S>> + Send>> },
    Mine { service: OwnedMutexGuard<S> },
}

impl<S: Send + 'static> Turn<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<&mut S> {
        loop {
            *self = match self {
                Self::First { service } => match Arc::clone(service).try_lock_owned() {
                    Ok(service) => Self::Mine { service },
                    Err(_) => Self::Queued { lock: Box::pin(Arc::clone(service).lock_owned()) },
                },
                Self::Queued { lock } => Self::Mine { service: ready!(lock.as_mut().poll(cx)) },
                Self::Mine { .. } => break,
            };
        }
        match self {
            Self::Mine { service } => Poll::Ready(service),
            Self::First { .. } | Self::Queued { .. } => Poll::Pending,
        }
    }
}

impl<S, Q> Future for SharedFuture<S, Q, S::Future>
where
    S: Service<Q> + Send + 'static,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProj::Waiting { turn, request } => {
                    let service = ready!(turn.poll(cx));
                    ready!(service.poll_ready(cx))?;
                    service.call(request.take().expect("called once"))
                }
                StateProj::Called { future } => return future.poll(cx),
            };
            // Ends the turn.
            state.set(State::Called { future });
        }
    }
}

impl<S, Q, F> fmt::Debug for SharedFuture<S, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedFuture")
    }
}
