use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::Lease;
use super::call::RetryCall;
use super::drain::Drain;
use crate::error::{BoxError, Error};
use crate::event::Event;

pin_project! {
    /// The future of a call, until the head of its last response.
    ///
    /// The parameters are those of the [`Retry`](super::Retry) service (`S`, `L`) and of its request (`B`) and response
    /// (`R`) bodies. Prefer `<Retry<S> as Service<Request<B>>>::Future` to writing them out.
    ///
    /// # Errors
    /// An [`Error`] of the last attempt, with the [history](Error::history) of the earlier ones.
    ///
    /// # Cancel safety
    /// During an attempt, dropping the future drops the client's future: see
    /// [`ObserveFuture`](crate::observe::ObserveFuture) for what that does on the wire. During a backoff, dropping the
    /// future drops a timer and touches no connection.
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, L, B, R>
    where
        S: Service<Request<L::Leased>>,
        L: Lease<B>,
        B: Body,
    {
        // Before `retries`, so that the attempt ends before the call.
        #[pin]
        state: State<S::Future, R>,
        // `None` if retries are off for the request.
        retries: Option<Retries<S, L, B>>,
    }
}

/// What a call needs for its retries.
struct Retries<S, L, B: Body> {
    /// A clone of the client, not ready yet.
    client: S,
    call: RetryCall<L, B>,
}

pin_project! {
    // `Waiting`, `Yielding` and `Readying` hold no response, permit or connection of the failed attempt.
    #[project = StateProj]
    enum State<F, R> {
        // The client's future runs.
        Attempt { #[pin] future: F },
        // The failed response is drained, so that its connection can be reused.
        Draining { #[pin] drain: Drain<R>, delay: Duration },
        Waiting { timer: Pin<Box<Sleep>> },
        // Without a delay: lets other tasks, and the IO driver, run first. They notice the other connections that died
        // with this one, so that the retry does not take one of those.
        Yielding { turn: Pin<Box<dyn Future<Output = ()> + Send>> },
        // The client is polled for readiness.
        Readying,
        Done,
    }
}

const POLLED_AFTER_COMPLETION: &str = "`RetryFuture` polled after completion";

impl<S, L, B, R> RetryFuture<S, L, B, R>
where
    S: Service<Request<L::Leased>>,
    L: Lease<B>,
    B: Body,
{
    pub(super) const fn new(future: S::Future, client: S, call: RetryCall<L, B>) -> Self {
        Self { state: State::Attempt { future }, retries: Some(Retries { client, call }) }
    }

    pub(super) const fn without_retries(future: S::Future) -> Self {
        Self { state: State::Attempt { future }, retries: None }
    }
}

impl<S, L, B, R> Future for RetryFuture<S, L, B, R>
where
    S: Service<Request<L::Leased>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    L: Lease<B>,
    B: Body + Unpin + Send + 'static,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<R>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(Retries { client, call }) = this.retries else {
            let StateProj::Attempt { future } = this.state.as_mut().project() else {
                panic!("{POLLED_AFTER_COMPLETION}")
            };
            let result = ready!(future.poll(cx));
            this.state.set(State::Done);
            return Poll::Ready(result.map_err(|error| Error::from_client(error.into())));
        };
        loop {
            match this.state.as_mut().project() {
                StateProj::Attempt { future } => {
                    let result = ready!(future.poll(cx));
                    // Drop the client's future before the decision.
                    this.state.set(State::Done);
                    match result {
                        Ok(mut response) => match call.after_response(&response) {
                            Some(delay) => {
                                let bounds = call.settings().release;
                                let version = response.version();
                                let drain = Drain::new(response.into_body(), version, bounds);
                                this.state.set(State::Draining { drain, delay });
                            }
                            None => {
                                call.respond(&mut response);
                                return Poll::Ready(Ok(response));
                            }
                        },
                        Err(error) => {
                            let error = Error::from_client(error.into());
                            match call.after_error(&error) {
                                Some(delay) => {
                                    // An error may hold a connection or the request.
                                    drop(error);
                                    this.state.set(State::wait(call, delay));
                                }
                                None => return Poll::Ready(Err(call.fail(error))),
                            }
                        }
                    }
                }
                StateProj::Draining { drain, delay } => {
                    let release = ready!(drain.poll(call.registry().timers(), cx));
                    let delay = *delay;
                    // Dropping the body returns the permit and the connection.
                    this.state.set(State::Done);
                    call.call().clear_end_cause();
                    call.emit(&Event::Released { call: call.call(), release });
                    this.state.set(State::wait(call, delay));
                }
                StateProj::Waiting { timer } => {
                    ready!(timer.as_mut().poll(cx));
                    this.state.set(State::Readying);
                    call.end_backoff();
                }
                StateProj::Yielding { turn } => {
                    ready!(turn.as_mut().poll(cx));
                    this.state.set(State::Readying);
                }
                StateProj::Readying => {
                    if let Err(error) = ready!(client.poll_ready(cx)) {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(call.fail(Error::from_client(error.into()))));
                    }
                    let future = client.call(call.next_request());
                    this.state.set(State::Attempt { future });
                }
                StateProj::Done => panic!("{POLLED_AFTER_COMPLETION}"),
            }
        }
    }
}

impl<F, R> State<F, R> {
    fn wait<L, B: Body>(call: &mut RetryCall<L, B>, delay: Duration) -> Self {
        // No timer works outside of a tokio runtime.
        if delay.is_zero() || Handle::try_current().is_err() {
            return Self::Yielding { turn: Box::pin(yield_now()) };
        }
        call.start_backoff(delay);
        Self::Waiting { timer: Box::pin(sleep(delay)) }
    }
}
