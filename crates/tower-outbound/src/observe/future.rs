use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Method, Response, StatusCode, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::ObserveBody;
use crate::classify::connect_extras;
use crate::error::{BoxError, Error};
use crate::event::{Event, Outcome, ResponseHead};
use crate::failure::{Failure, Kind};
use crate::record::{Attempt, AttemptScope, CloseHint, Connection, EndCause};
use crate::settings::Silence;
use crate::timeouts::{
    AttemptTimers, CheckUp, attribute_cut, cut_by_deadline, finish_lost, finish_past_deadline,
    finish_timed_out,
};
use crate::timer::RESOLUTION;
use crate::util::http::NamedHeaders;

/// A timer of the client that strikes this little before the deadline is for the same deadline.
const SAME: Duration = RESOLUTION.saturating_mul(2);

/// Ends the attempt when dropped.
#[derive(Debug)]
pub(super) struct Guard {
    attempt: Attempt,
}

impl Guard {
    #[inline]
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
        let cut = |kind| Outcome::Failed(self.attempt.attribute(cut(&self.attempt, kind)));
        let outcome = match self.attempt.call().end_cause() {
            Some(EndCause::AttemptTimeout) => cut(Kind::ResponseTimeout),
            Some(EndCause::ReleasedByRetry) => {
                self.attempt.response().released();
                Outcome::Ok
            }
            None if std::thread::panicking() => cut(Kind::Other),
            // Another timer with the same deadline was faster.
            None if self.attempt.call().has_to_end_within(Duration::ZERO) => {
                Outcome::Failed(cut_by_deadline(&self.attempt))
            }
            None => Outcome::Cancelled { phase: self.attempt.response().failing_phase() },
        };
        self.attempt.response().finish(&outcome);
    }
}

/// The failure of an attempt that ends in its phase.
fn cut(attempt: &Attempt, kind: Kind) -> Failure {
    Failure::new(kind).with_phase(attempt.response().failing_phase())
}

pin_project! {
    /// The future of an observed attempt, until the response's head.
    ///
    /// # Cancel safety
    /// Dropping the future drops the client's future. An HTTP/1 connection closes if the request was being sent or
    /// answered. On HTTP/2 the stream is reset. A connect may continue in a task of the client. The attempt ends as
    /// cancelled, or as timed out after [`Call::attempt_timed_out`](crate::Call::attempt_timed_out). A timeout drops the
    /// client's future in the same way before it returns the error.
    ///
    /// # Lost requests
    /// hyper can lose a request that it hands to a connection in the moment in which the connection ends: its future then
    /// never completes. About a second after a tracked connection of the origin has ended, an attempt whose request no
    /// connection has asked for fails as [`ResponseEnded`](crate::Kind::ResponseEnded) and
    /// [`NotSent`](crate::SendState::NotSent), and the request is never sent. Where connections are not tracked (reqwest), other
    /// attempts to the origin show the same.
    ///
    /// Not while it waits for a slot, for a connection that is being opened, for a connector that is not ready, or for a
    /// stream of an HTTP/2 connection. If it may stand in a queue below (`tower::buffer`), the second is half a minute:
    /// until a later request was served, or nothing is in flight.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ObserveFuture<F> {
        // Before `inner`, so that a drop records the reason before the connection closes.
        guard: Option<Guard>,
        #[pin]
        inner: Option<F>,
        watch: Option<AttemptTimers>,
        check_up: CheckUp,
    }

    impl<F> PinnedDrop for ObserveFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(guard) = this.guard.take() else { return };
            let attempt = guard.attempt().clone();
            if attempt.call().end_cause() == Some(EndCause::AttemptTimeout) {
                let failure = cut(&attempt, Kind::ResponseTimeout);
                attribute_cut(&attempt, failure, || this.inner.set(None));
            }
            drop(guard);
            let _scope = AttemptScope::enter(&attempt);
            this.inner.set(None);
        }
    }
}

impl<F> ObserveFuture<F> {
    #[inline]
    pub(super) fn new(inner: Option<F>, guard: Guard, watch: Option<AttemptTimers>) -> Self {
        Self { guard: Some(guard), inner, watch, check_up: CheckUp::new() }
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
        let polled = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => {
                let _scope = AttemptScope::enter(attempt);
                inner.poll(cx)
            }
            // The request was given up, or came after the deadline.
            None => Poll::Pending,
        };
        let Poll::Ready(result) = polled else {
            let hit = this.watch.as_mut().and_then(|watch| watch.poll_head(attempt, cx));
            let error = match hit {
                Some(hit) => finish_timed_out(attempt, hit, || this.inner.set(None)),
                None if this.check_up.poll(attempt, cx, || this.inner.set(None)) => finish_lost(attempt),
                None => return Poll::Pending,
            };
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
    watch: Option<AttemptTimers>,
) -> Response<ObserveBody<R>> {
    let attempt = guard.attempt();
    let connection = response.extensions().get::<Connection>();
    let named = NamedHeaders::of(response.headers());
    let keep_alive = named.keep_alive_timeout();
    attempt.response().head(
        response.status(),
        response.version(),
        response.headers(),
        keep_alive,
        connection,
    );
    // TLS above the connection may hide its protocol; the head shows it.
    let http1 = response.version() < Version::HTTP_2;
    let upgraded = is_upgraded(attempt, response.status());
    if let Some(hint) = http1.then(|| close_hint(attempt, &response, &named, upgraded)).flatten() {
        attempt.response().hint_close(hint);
    }
    let quiet = upgraded || named.is_event_stream();
    let silence = if quiet { Silence::Normal } else { Silence::Fault };
    let watch = watch.and_then(|watch| watch.on_head(silence));
    let head =
        ResponseHead { status: response.status(), version: response.version(), headers: response.headers() };
    attempt.registry().emit(&Event::AttemptHead { attempt, response: head });
    response.extensions_mut().insert(attempt.timings());
    response.map(|body| ObserveBody::new(body, guard, watch))
}

/// Whether the bytes after the head are those of another protocol (RFC 9110, sections 7.8 and 9.3.6).
fn is_upgraded(attempt: &Attempt, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (attempt.method() == Method::CONNECT && status.is_success())
}

/// Why the heads prevent the reuse of the connection (RFC 9112, section 9.3).
fn close_hint<R>(
    attempt: &Attempt,
    response: &Response<R>,
    named: &NamedHeaders<'_>,
    upgraded: bool,
) -> Option<CloseHint> {
    let has_option = |option| named.has_connection_option(response.headers(), option);
    if upgraded {
        Some(CloseHint::Upgraded)
    } else if attempt.response().asks_close() || has_option("close") {
        Some(CloseHint::ConnectionClose)
    } else if response.version() == Version::HTTP_10 && !has_option("keep-alive") {
        Some(CloseHint::Http10)
    } else {
        None
    }
}

fn fail(error: BoxError, attempt: &Attempt) -> Error {
    let mut extras = Extensions::new();
    connect_extras(&*error, &mut extras);
    if let Some(connection) = extras.get::<Connection>() {
        attempt.response().confirm_connection(connection, Instant::now());
    }
    let failure = Failure::of(&*error);
    if failure.kind() == Kind::DeadlineExceeded && attempt.call().has_to_end_within(SAME) {
        // tonic's own timer for the same deadline.
        return finish_past_deadline(attempt, || {});
    }
    let failure = attempt.attribute(failure.in_attempt(|| attempt.response().failing_phase()));
    attempt.response().finish(&Outcome::Failed(failure.clone()));
    Error::new(failure, Some(attempt.clone()), error)
}
