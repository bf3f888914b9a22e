//! Hands a request to the connection that writes it, through the polls of its body.
//!
//! hyper asks an HTTP/1 request's body whether it is empty in the poll of the connection's task that then writes the
//! request. No extension of the request reaches that task. So the question puts the attempt into a thread-local, and the
//! next write on the thread takes it out.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::drive::{body_dropped, body_polled, driven_connection};
use crate::record::{Attempt, Connection, WeakAttempt};

thread_local! {
    /// The attempt whose request body was last asked for by a client on this thread.
    static HANDED_OFF: Cell<Option<HandedOff>> = const { Cell::new(None) };
}

enum HandedOff {
    Open(WeakAttempt),
    /// The attempt has failed. It is kept, so that the connection refuses to write its request.
    Sealed(Attempt),
}

pin_project! {
    /// A request body that hands its attempt off when the client asks whether the body is empty.
    #[derive(Debug)]
    pub(crate) struct HandOffBody<B> {
        #[pin]
        inner: B,
        attempt: Attempt,
        polled: bool,
    }

    impl<B> PinnedDrop for HandOffBody<B> {
        fn drop(this: Pin<&mut Self>) {
            if this.polled {
                body_dropped(&this.attempt);
            } else {
                this.attempt.request_body().dropped_unpolled();
            }
        }
    }
}

impl<B> HandOffBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, attempt: Attempt) -> Self {
        Self { inner, attempt, polled: false }
    }

    #[inline]
    pub(crate) fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    pub(crate) fn get_ref(&self) -> &B {
        &self.inner
    }
}

impl<B: Body> Body for HandOffBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        if !std::mem::replace(this.polled, true) {
            this.attempt.request_body().polled_first();
            body_polled(this.attempt);
        }
        this.inner.poll_frame(cx)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        let ended = self.inner.is_end_stream();
        if !self.polled {
            on_body_queried(&self.attempt);
            if ended {
                self.attempt.request_body().complete();
            }
        }
        ended
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Unless a layer on the caller's side asks, the client's connection asks, and is about to write the head.
fn on_body_queried(attempt: &Attempt) {
    if attempt.is_current() || attempt.request_body().is_being_sent() {
        return;
    }
    let at = Instant::now();
    attempt.request_body().accepted_by_client(at);
    match driven_connection().filter(Connection::is_http2) {
        Some(connection) => attempt.response().accepted_by(&connection, at),
        None => hand_off(attempt),
    }
}

fn hand_off(attempt: &Attempt) {
    let handed_off = match attempt.request_body().is_sealed() {
        true => HandedOff::Sealed(attempt.clone()),
        false => HandedOff::Open(WeakAttempt::new(attempt)),
    };
    let _ = HANDED_OFF.try_with(|cell| cell.set(Some(handed_off)));
}

/// The attempt that was handed off last on this thread, if it still exists.
pub(crate) fn take_handed_off() -> Option<Attempt> {
    match HANDED_OFF.try_with(Cell::take).ok().flatten()? {
        HandedOff::Open(attempt) => attempt.upgrade(),
        HandedOff::Sealed(attempt) => Some(attempt),
    }
}
