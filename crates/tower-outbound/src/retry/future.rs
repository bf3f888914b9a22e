use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Sleep, sleep, sleep_until};
use tower_service::Service;

use super::Lease;
use super::call::{RetryCall, StartedCall};
use super::drain::Drain;
use super::single::SingleCall;
use crate::error::{BoxError, Error};
use crate::event::Event;
use crate::record::{Call, CallScope, SuspendedCall};

pin_project! {
    /// The future of a call, until the head of its last response.
    ///
    /// The parameters are those of the [`Retry`](super::Retry) service (`S`, `L`), its request's body (`B`), the future of
    /// `S` (`F`) and its response's body (`R`). Prefer `<Retry<S> as Service<Request<B>>>::Future` to writing them out.
    ///
    /// # Errors
    /// An [`Error`] of the last attempt, with the [history](Error::history) of the earlier ones.
    ///
    /// # Cancel safety
    /// Before the first poll nothing was sent, and dropping the future drops the request. During an attempt, dropping the future drops the client's future: see
    /// [`ObserveFuture`](crate::observe::ObserveFuture) for what that does on the wire. During a backoff, dropping the
    /// future drops a timer and touches no connection.
    // `F` is a parameter, as `S::Future` the future would be `Send` only where `S: Service` holds for every lifetime: in a
    // spawned block, a body whose error is a `Box<dyn Error + Send + Sync>` would not compile.
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, L, B, F, R>
    where
        L: Lease<B>,
        B: Body,
    {
        // Before `call`, so that the attempt ends before the call.
        #[pin]
        state: State<Request<L::Leased>, F, R>,
        // Ready until the first attempt.
        client: S,
        call: StartedCall<L, B>,
    }
}

pin_project! {
    // `Waiting`, `Yielding` and `Readying` hold no response, permit or connection of the failed attempt.
    #[project = StateProj]
    enum State<Q, F, R> {
        // Not polled yet.
        Starting { request: Option<Q>, outer: SuspendedCall },
        // The client's future runs.
        Attempt { #[pin] future: F },
        // The failed response is drained, so that its connection can be reused.
        Draining { #[pin] drain: Drain<R>, delay: Duration },
        Waiting { timer: Pin<Box<Sleep>> },
        // Without a delay: lets other tasks, and the IO driver, run first. They notice the other connections that died
        // with this one, so that the retry does not take one of those.
        Yielding { turn: Pin<Box<dyn Future<Output = ()> + Send>> },
        // The client is polled for readiness, until the deadline of the call.
        Readying { until: Option<Pin<Box<Sleep>>> },
        Done,
    }
}

const POLLED_AFTER_COMPLETION: &str = "`RetryFuture` polled after completion";

impl<S, L, B, F, R> RetryFuture<S, L, B, F, R>
where
    L: Lease<B>,
    B: Body,
{
    pub(super) fn new(client: S, call: StartedCall<L, B>, request: Request<L::Leased>) -> Self {
        Self { state: State::Starting { request: Some(request), outer: CallScope::suspend() }, client, call }
    }
}

impl<S, L, B, R> Future for RetryFuture<S, L, B, S::Future, R>
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
        let client = this.client;
        let call = match this.call {
            StartedCall::Retried(call) => call,
            StartedCall::Single(call) => return poll_single(this.state, client, call, cx),
        };
        loop {
            match this.state.as_mut().project() {
                StateProj::Starting { request, outer } => {
                    let request = request.take().expect("there until the first poll");
                    call.begin();
                    let future = {
                        let (_call, _outer) = (call.hand_over(), CallScope::resume(*outer));
                        client.call(request)
                    };
                    this.state.set(State::Attempt { future });
                }
                StateProj::Attempt { future } => {
                    let result = ready!(future.poll(cx));
                    // Drop the client's future before the decision.
                    this.state.set(State::Done);
                    match result {
                        Ok(mut response) => match call.after_response(&response) {
                            Some(delay) => {
                                let bounds = call.release_before(delay);
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
                    this.state.set(State::Readying { until: None });
                    call.end_backoff();
                }
                StateProj::Yielding { turn } => {
                    ready!(turn.as_mut().poll(cx));
                    this.state.set(State::Readying { until: None });
                }
                StateProj::Readying { until } => {
                    let error = match client.poll_ready(cx) {
                        Poll::Ready(result) => result.err().map(|error| Error::from_client(error.into())),
                        Poll::Pending => {
                            ready!(poll_deadline(until, call.call(), cx));
                            Some(call.deadline_elapsed())
                        }
                    };
                    if let Some(error) = error {
                        this.state.set(State::Done);
                        return Poll::Ready(Err(call.fail(error)));
                    }
                    let request = call.next_request();
                    let future = {
                        let _call = call.hand_over();
                        client.call(request)
                    };
                    this.state.set(State::Attempt { future });
                }
                StateProj::Done => panic!("{POLLED_AFTER_COMPLETION}"),
            }
        }
    }
}

/// Waits for the deadline of the call, if it has one.
fn poll_deadline(until: &mut Option<Pin<Box<Sleep>>>, call: &Call, cx: &mut Context<'_>) -> Poll<()> {
    let deadline = call.deadline().filter(|_| Handle::try_current().is_ok());
    let Some(deadline) = deadline else { return Poll::Pending };
    until.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(cx)
}

/// Polls a call whose request is not retried.
fn poll_single<S, Q, R>(
    mut state: Pin<&mut State<Q, S::Future, R>>,
    client: &mut S,
    call: &mut SingleCall,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<R>, Error>>
where
    S: Service<Q, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    if let StateProj::Starting { request, outer } = state.as_mut().project() {
        let request = request.take().expect("there until the first poll");
        let future = {
            let (_call, _outer) = (call.hand_over(), CallScope::resume(*outer));
            client.call(request)
        };
        state.set(State::Attempt { future });
    }
    let StateProj::Attempt { future } = state.as_mut().project() else { panic!("{POLLED_AFTER_COMPLETION}") };
    let result = ready!(future.poll(cx));
    state.set(State::Done);
    let result = result.map_err(|error| Error::from_client(error.into()));
    match &result {
        Ok(response) => call.respond(response),
        Err(error) => call.fail(error),
    }
    Poll::Ready(result)
}

impl<Q, F, R> State<Q, F, R> {
    fn wait<L, B: Body>(call: &mut RetryCall<L, B>, delay: Duration) -> Self {
        // No timer works outside of a tokio runtime.
        if delay.is_zero() || Handle::try_current().is_err() {
            return Self::Yielding { turn: Box::pin(yield_now()) };
        }
        call.start_backoff(delay);
        Self::Waiting { timer: Box::pin(sleep(delay)) }
    }
}
