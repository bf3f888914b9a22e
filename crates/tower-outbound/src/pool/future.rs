use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response, Uri};
use http_body::Body;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection as Connect;
use tokio::runtime::Handle as Runtime;
use tokio::time::Instant;
use tower_service::Service;

use super::PoolBody;
use super::conn::{Conn, Sending};
use super::core::{Checkout, Core, Found};
use super::ending::Ending;
use super::home;
use super::lease::Lease;
use super::pool::Handle;
use super::request::Target;
use super::state::{Home, Polled, Served};
use super::task::{self, Place};
use super::wait::Wait;
use crate::error::{BoxError, Error, PoolTimeoutError, SendError};
use crate::record::{Attempt, Setup};
use crate::util::list::Key;

/// The future of a request on a [`Pool`](super::Pool), until the head of the response.
///
/// The request goes to a connection that is free when the service is called; otherwise it waits for one.
///
/// # Cancel safety
/// On HTTP/1, dropping the future closes the connection on which the request is being sent or answered. On HTTP/2, it
/// resets the stream. A connect that has begun goes on, and serves another request.
#[must_use = "dropping it gives the request up"]
pub struct PoolFuture<C, B> {
    pool: Arc<Handle<C, B>>,
    /// While it waits. Boxed, since most requests do not, and a request is large.
    request: Option<Box<Request<B>>>,
    target: Option<Target>,
    stage: Stage<B>,
}

// Nothing is pinned: what has to be is boxed.
impl<C, B> Unpin for PoolFuture<C, B> {}

enum Stage<B> {
    /// Called outside of a runtime: the first poll shows where the request is.
    Start,
    Failed(BoxError),
    Waiting(Wait),
    Sending {
        lease: Lease<B>,
        answer: Sending<B>,
        first_use: bool,
    },
    /// A new connection has ended before it took the request: its task is about to know why.
    Ending(Ending<B>),
    Done,
}

impl<C, B> PoolFuture<C, B> {
    fn core(&self) -> &Arc<Core<B>> {
        &self.pool.core
    }
}

impl<C, B> PoolFuture<C, B>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Read + Write + Connect + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Takes a connection that is free and sends the request, or joins the queue.
    pub(super) fn new(pool: Arc<Handle<C, B>>, mut request: Request<B>) -> Self {
        let mut this = Self { pool, request: None, target: None, stage: Stage::Done };
        // Not the request of a resolver or a connector that runs for an attempt.
        let attempt = Attempt::current().filter(|_| Setup::current().is_none());
        let begun = match Target::of(&mut request, attempt.as_ref().map(Attempt::origin)) {
            Ok(target) => {
                this.target = Some(target);
                if let Some(attempt) = &attempt {
                    attempt.response().given_to_pool();
                }
                let now = attempt.filter(Attempt::is_starting).map(|attempt| attempt.start_time());
                match home::current() {
                    home @ Some(_) => this.acquire(request, home, now),
                    None => {
                        this.request = Some(Box::new(request));
                        this.stage = Stage::Start;
                        Ok(())
                    }
                }
            }
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            this.stage = Stage::Failed(error);
        }
        this
    }

    fn target(&self) -> &Target {
        self.target.as_ref().expect("known since the start")
    }

    /// Takes a connection, or joins the queue. `home`: where the request is. `now`: if it is known.
    fn acquire(&mut self, request: Request<B>, home: Home, now: Option<Instant>) -> Result<(), BoxError> {
        let found = self.core().checkout(self.target().hashed_parts(), home, now);
        let Found { checkout, dead, lacks_reaper } = found;
        if lacks_reaper {
            self.core().start_reaper();
        }
        for conn in dead {
            skip(&conn);
        }
        match checkout {
            Checkout::Served(served) => self.send(served, request),
            Checkout::Waiting(waiter) => {
                let attempt = Attempt::current().filter(|attempt| attempt.is_of_request(&request));
                self.request = Some(Box::new(request));
                self.stage = Stage::Waiting(Wait::new(self.core(), waiter, attempt));
                Ok(())
            }
            Checkout::Full(error) => Err(error.into()),
        }
    }

    fn send(&mut self, served: Served<Arc<Conn<B>>>, mut request: Request<B>) -> Result<(), BoxError> {
        let first_use = served.grant.number == 1;
        let lease = Lease::new(served.connection);
        self.target().prepare(&mut request, lease.conn(), self.core().options.set_host)?;
        match lease.conn().send(request) {
            Ok(answer) => {
                self.stage = Stage::Sending { lease, answer, first_use };
                Ok(())
            }
            // A peer that closes each new connection is not asked again and again.
            Err(_) if first_use => {
                self.stage = Stage::Ending(Ending::new(lease, None));
                Ok(())
            }
            // It has closed since the checkout.
            Err(request) => self.again(lease, *request),
        }
    }

    /// Nothing of the request was sent: it goes to another connection.
    fn again(&mut self, lease: Lease<B>, mut request: Request<B>) -> Result<(), BoxError> {
        skip(lease.conn());
        drop(lease);
        self.target().restore(&mut request);
        self.acquire(request, home::current(), None)
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let Stage::Waiting(wait) = &mut self.stage else { return Poll::Ready(Ok(())) };
        let core = &self.pool.core;
        let target = self.target.as_ref().expect("known since the start");
        match wait.poll(core, cx) {
            Polled::Pending | Polled::Held(_) => {}
            Polled::Connect(link) => connect(&self.pool, target, link),
            Polled::Served(served) => {
                let Stage::Waiting(wait) = std::mem::replace(&mut self.stage, Stage::Done) else {
                    unreachable!("it waits")
                };
                wait.end();
                let request = self.request.take().expect("not sent yet");
                return Poll::Ready(self.send(served, *request));
            }
            Polled::Failed(cause) => {
                self.stage = Stage::Done;
                return Poll::Ready(Err(cause.into()));
            }
        }
        if !wait.is_over(core, cx) {
            return Poll::Pending;
        }
        let origin = core.origin(target.parts()).map(|(_, origin)| origin);
        let (waiter, since, attempt) = (wait.waiter, wait.since, wait.attempt.clone());
        self.stage = Stage::Done;
        let occupancy = self.core().with(|state, now, deferred| state.cancel(waiter, now(), deferred));
        let origin = origin.expect("it waits for the origin");
        if let Some(attempt) = attempt {
            attempt.response().acquire_timed_out(since);
        }
        Poll::Ready(Err(PoolTimeoutError::new(origin, occupancy, since.elapsed()).into()))
    }

    #[inline]
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Response<PoolBody>>, BoxError>> {
        let Stage::Sending { answer, .. } = &mut self.stage else { return Poll::Ready(Ok(None)) };
        let result = ready!(answer.poll(cx));
        let Stage::Sending { lease, answer, first_use } = std::mem::replace(&mut self.stage, Stage::Done)
        else {
            unreachable!("it is being sent")
        };
        Poll::Ready(match result {
            Ok(mut response) => {
                lease.conn().keep(answer);
                lease.conn().name_in(&mut response);
                Ok(Some(response.map(|body| PoolBody::new(body, lease))))
            }
            Err(mut error) => {
                match error.take_message() {
                    // A fresh connection that takes no request is a failure of the peer.
                    Some(_) if first_use => {
                        self.stage = Stage::Ending(Ending::new(lease, Some(error.into_error())));
                        Ok(None)
                    }
                    Some(request) => self.again(lease, request).map(|()| None),
                    None => Err(SendError::new(error.into_error(), lease.conn().record().cloned()).into()),
                }
            }
        })
    }

    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<BoxError> {
        let Stage::Ending(ending) = &mut self.stage else { return Poll::Pending };
        ending.poll(&self.pool.core.timers, cx)
    }
}

/// The connection took nothing of the request, which goes to another one.
fn skip<B>(conn: &Conn<B>) {
    if let (Some(attempt), Some(record)) = (Attempt::current(), conn.record()) {
        attempt.response().skipped(record);
    }
}

/// The request that was handed to an HTTP/2 connection is not wanted any more. If hyper has not taken it by now, it is never
/// sent.
fn take_back<B>(conn: &Conn<B>) {
    let observed = Attempt::current().filter(|_| Attempt::is_body::<B>());
    if let Some(attempt) = observed.filter(|_| conn.takes_nothing_dropped()) {
        attempt.response().taken_back();
    }
}

/// Begins the connect that the waiter is to make.
fn connect<C, B>(pool: &Handle<C, B>, target: &Target, link: Key)
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Read + Write + Connect + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let place = Place::new(pool.core.clone(), link);
    let task = task::run(pool.connector.clone(), target.origin_uri(), Attempt::current(), place);
    match Runtime::try_current() {
        Ok(runtime) => drop(runtime.spawn(task)),
        // The drop of the task fails the connect.
        Err(_) => drop(task),
    }
}

impl<C, B> Future for PoolFuture<C, B>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Read + Write + Connect + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<PoolBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Failed(_) = &self.stage {
            let Stage::Failed(error) = std::mem::replace(&mut self.stage, Stage::Done) else {
                unreachable!("it has failed")
            };
            return Poll::Ready(Err(error));
        }
        if let Stage::Start = &self.stage {
            self.stage = Stage::Done;
            let request = self.request.take().expect("not sent yet");
            self.acquire(*request, home::current(), None)?;
        }
        loop {
            match &self.stage {
                Stage::Waiting(_) => ready!(self.poll_wait(cx))?,
                Stage::Sending { .. } => {
                    if let Some(response) = ready!(self.poll_answer(cx))? {
                        return Poll::Ready(Ok(response));
                    }
                }
                Stage::Ending(_) => {
                    let error = ready!(self.poll_ending(cx));
                    self.stage = Stage::Done;
                    return Poll::Ready(Err(error));
                }
                Stage::Start | Stage::Failed(_) | Stage::Done => {
                    debug_assert!(false, "polled after it was ready");
                    return Poll::Ready(Err(
                        Error::invalid_request("polled after completion".to_owned()).into()
                    ));
                }
            }
        }
    }
}

impl<C, B> Drop for PoolFuture<C, B> {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Waiting(wait) => {
                self.core().with(|state, now, deferred| state.cancel(wait.waiter, now(), deferred));
            }
            Stage::Sending { lease, answer, .. } => {
                // hyper learns first that nobody waits for the answer.
                drop(answer);
                if lease.conn().is_http2() {
                    take_back(lease.conn());
                }
                drop(lease);
            }
            Stage::Start | Stage::Failed(_) | Stage::Ending(_) | Stage::Done => {}
        }
    }
}

impl<C, B> fmt::Debug for PoolFuture<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolFuture")
    }
}
