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
use super::plan::Plan;
use super::release::Drain;
use crate::error::{BoxError, Error};
use crate::event::Event;

pin_project! {
    /// The future of a call, until the head of its last response.
    ///
    /// # Cancel safety
    /// Dropping it drops the client's future, if an attempt is under way: see
    /// [`ObserveFuture`](crate::observe::ObserveFuture). While it waits there is nothing to drop but a timer.
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, L, B, R>
    where
        S: Service<Request<L::Leased>>,
        L: Lease<B>,
        B: Body,
    {
        // Before `plan`, so that the attempt ends before the call.
        #[pin]
        state: State<S::Future, R>,
        service: S,
        // `None` where the request is not to be sent again.
        plan: Option<Plan<L, B>>,
    }
}

pin_project! {
    /// Where the call is. Only the first two hold anything of the client's.
    #[project = StateProj]
    enum State<F, R> {
        Attempt { #[pin] future: F },
        Release { #[pin] drain: Drain<R>, delay: Duration },
        Wait { timer: Pin<Box<Sleep>> },
        // The other tasks have a turn, and the runtime hears what the network has to say: the other connections to a
        // peer that is gone are gone as well, and shall not be the next one's.
        Yield { turn: Pin<Box<dyn Future<Output = ()> + Send>> },
        /// The service is made ready for the next attempt.
        Ready,
        Over,
    }
}

const OVER: &str = "polled after it was ready";

impl<S, L, B, R> RetryFuture<S, L, B, R>
where
    S: Service<Request<L::Leased>>,
    L: Lease<B>,
    B: Body,
{
    pub(super) fn new(future: S::Future, service: S, plan: Option<Plan<L, B>>) -> Self {
        Self { state: State::Attempt { future }, service, plan }
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
        let Some(plan) = this.plan else {
            let StateProj::Attempt { future } = this.state.as_mut().project() else { panic!("{OVER}") };
            let result = ready!(future.poll(cx));
            this.state.set(State::Over);
            return Poll::Ready(result.map_err(|error| Error::from_client(error.into())));
        };
        loop {
            match this.state.as_mut().project() {
                StateProj::Attempt { future } => {
                    let result = ready!(future.poll(cx));
                    // The client's future goes before anything is decided.
                    this.state.set(State::Over);
                    match result {
                        Ok(mut response) => match plan.after_response(&response) {
                            Some(delay) => {
                                let bounds = plan.settings().release;
                                let version = response.version();
                                let drain = Drain::new(response.into_body(), version, bounds);
                                this.state.set(State::Release { drain, delay });
                            }
                            None => {
                                plan.respond(&mut response);
                                return Poll::Ready(Ok(response));
                            }
                        },
                        Err(error) => {
                            let error = Error::from_client(error.into());
                            match plan.after_error(&error) {
                                Some(delay) => {
                                    drop(error);
                                    this.state.set(State::waiting(plan, delay));
                                }
                                None => return Poll::Ready(Err(plan.fail(error))),
                            }
                        }
                    }
                }
                StateProj::Release { drain, delay } => {
                    let release = ready!(drain.poll(plan.registry().timers(), cx));
                    let delay = *delay;
                    // Dropping the body gives permits and connection back.
                    this.state.set(State::Over);
                    plan.call().clear_end_cause();
                    plan.emit(&Event::Released { call: plan.call(), release });
                    this.state.set(State::waiting(plan, delay));
                }
                StateProj::Wait { timer } => {
                    ready!(timer.as_mut().poll(cx));
                    this.state.set(State::Ready);
                    plan.pause_ends();
                }
                StateProj::Yield { turn } => {
                    ready!(turn.as_mut().poll(cx));
                    this.state.set(State::Ready);
                }
                StateProj::Ready => {
                    if let Err(error) = ready!(this.service.poll_ready(cx)) {
                        this.state.set(State::Over);
                        return Poll::Ready(Err(plan.fail(Error::from_client(error.into()))));
                    }
                    let future = this.service.call(plan.again());
                    this.state.set(State::Attempt { future });
                }
                StateProj::Over => panic!("{OVER}"),
            }
        }
    }
}

impl<F, R> State<F, R> {
    fn waiting<L, B: Body>(plan: &mut Plan<L, B>, delay: Duration) -> Self {
        // Without a runtime there is no clock to wait by.
        if delay.is_zero() || Handle::try_current().is_err() {
            return Self::Yield { turn: Box::pin(yield_now()) };
        }
        plan.pause_begins(delay);
        Self::Wait { timer: Box::pin(sleep(delay)) }
    }
}
