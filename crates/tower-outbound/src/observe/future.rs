use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Extensions, Method, Response, StatusCode, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::ObserveBody;
use crate::classify::connect_extras;
use crate::error::{BoxError, Error};
use crate::event::{Event, Outcome, ResponseHead};
use crate::failure::{Failure, Kind};
use crate::record::{Attempt, CloseHint, Connection, EndCause};
use crate::timeouts::AttemptTimers;
use crate::timeouts::finish_timed_out;
use crate::util::http::has_connection_option;

/// Ends the attempt when it is dropped, whatever has happened.
#[derive(Debug)]
pub(super) struct Guard {
    attempt: Attempt,
}

impl Guard {
    pub(super) fn new(attempt: Attempt) -> Self {
        Self { attempt }
    }

    pub(super) fn attempt(&self) -> &Attempt {
        &self.attempt
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.attempt.is_ended() {
            return;
        }
        let phase = self.attempt.failing_phase();
        let cut = |kind| Outcome::Failed(Failure::new(kind).with_phase(phase).sent_by(&self.attempt));
        let outcome = match self.attempt.call().end_cause() {
            Some(EndCause::AttemptTimeout) => cut(Kind::ResponseTimeout),
            Some(EndCause::ReleasedByRetry) => {
                self.attempt.release();
                Outcome::Ok
            }
            None if std::thread::panicking() => cut(Kind::Other),
            None => Outcome::Cancelled { phase },
        };
        self.attempt.finish(&outcome);
    }
}

pin_project! {
    /// The future of an observed attempt, until the response's head.
    ///
    /// # Cancel safety
    /// Dropping it drops the client's future. On HTTP/1 the connection is closed if the request was being
    /// sent or answered; on HTTP/2 the stream is reset; a connect may go on in the client's background. The
    /// attempt ends as cancelled, or for the reason that the [`Call`](crate::Call) names. A timeout that is
    /// hit drops the client's future in the same way, before the error is returned.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ObserveFuture<F> {
        // Before `inner`, so that a drop tells why before the connection goes.
        guard: Option<Guard>,
        #[pin]
        inner: Option<F>,
        watch: Option<Box<AttemptTimers>>,
    }
}

impl<F> ObserveFuture<F> {
    pub(super) fn new(inner: F, guard: Guard, watch: Option<Box<AttemptTimers>>) -> Self {
        Self { guard: Some(guard), inner: Some(inner), watch }
    }
}

impl<F, R, E> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
    R::Error: Into<BoxError>,
    E: Into<BoxError>,
{
    type Output = Result<Response<ObserveBody<R>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let attempt = this.guard.as_ref().expect("polled after it was ready").attempt();
        let polled = {
            let _scope = attempt.enter();
            this.inner.as_mut().as_pin_mut().expect("there until it is ready").poll(cx)
        };
        let Poll::Ready(result) = polled else {
            let hit = this.watch.as_mut().and_then(|watch| watch.poll_head(attempt, cx));
            let Some(hit) = hit else { return Poll::Pending };
            let error = finish_timed_out(attempt, hit);
            this.inner.set(None);
            (*this.guard, *this.watch) = (None, None);
            return Poll::Ready(Err(error));
        };
        let guard = this.guard.take().expect("checked above");
        let watch = this.watch.take();
        Poll::Ready(match result {
            Ok(response) => Ok(respond(response, guard, watch)),
            Err(error) => Err(fail(error.into(), guard.attempt())),
        })
    }
}

fn respond<R: Body>(
    mut response: Response<R>,
    guard: Guard,
    watch: Option<Box<AttemptTimers>>,
) -> Response<ObserveBody<R>> {
    let attempt = guard.attempt();
    let connection = response.extensions().get::<Connection>();
    attempt.head(response.status(), response.version(), connection);
    attempt.see_grpc_status(response.headers());
    // TLS above the connection may hide what it speaks; the head does not.
    let http1 = response.version() < Version::HTTP_2;
    let http1 = attempt.connection().filter(|connection| http1 && !connection.is_http2());
    if let Some((connection, hint)) = http1.zip(close_hint(attempt, &response)) {
        connection.hint(hint);
    }
    let head =
        ResponseHead { status: response.status(), version: response.version(), headers: response.headers() };
    attempt.registry().emit(&Event::AttemptHead { attempt, response: head });
    response.extensions_mut().insert(attempt.timings());
    response.map(|body| ObserveBody::new(body, guard, watch))
}

/// Whether the heads say that the connection will not be used again (RFC 9112, section 9.3).
fn close_hint<R>(attempt: &Attempt, response: &Response<R>) -> Option<CloseHint> {
    let status = response.status();
    let tunnel = attempt.method() == Method::CONNECT && status.is_success();
    if status == StatusCode::SWITCHING_PROTOCOLS || tunnel {
        Some(CloseHint::Upgraded)
    } else if attempt.asks_close() || has_connection_option(response.headers(), "close") {
        Some(CloseHint::ConnectionClose)
    } else if response.version() == Version::HTTP_10
        && !has_connection_option(response.headers(), "keep-alive")
    {
        Some(CloseHint::Http10)
    } else {
        None
    }
}

fn fail(error: BoxError, attempt: &Attempt) -> Error {
    let mut extras = Extensions::new();
    connect_extras(&*error, &mut extras);
    if let Some(connection) = extras.get::<Connection>() {
        attempt.settle(connection, Instant::now());
    }
    let failure = Failure::of(&*error).in_attempt(|| attempt.failing_phase()).sent_by(attempt);
    attempt.finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), error)
}
