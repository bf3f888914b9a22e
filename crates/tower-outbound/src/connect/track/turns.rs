//! The turns of an HTTP/1 connection: which attempt each one writes, and how far it is.

use std::io;
use std::task::Poll;

use tokio::time::Instant;

use super::response_head::ResponseHeads;
use crate::foreign::take_handed_off;
use crate::record::{Attempt, CloseHint, Connection, WeakAttempt};

/// The current turn: one request and its response.
#[derive(Debug)]
pub(super) struct Turns {
    /// The attempt whose request is written.
    attempt: Option<WeakAttempt>,
    /// The number of the use of the connection, counted from 1.
    number: u64,
    /// No write of this turn has returned yet.
    untouched: bool,
    /// The whole request was written and flushed, and nothing was written since.
    complete: bool,
    heads: ResponseHeads,
    /// The head of the final response has begun.
    answered: bool,
    /// The last write was pending: the request is not wholly written.
    blocked: bool,
    /// The request of this turn belongs to an attempt, so that its end will be known.
    observed: bool,
}

impl Turns {
    /// Begins the first turn.
    pub(super) fn first(connection: &Connection) -> Self {
        let mut turns = Self {
            attempt: None,
            number: 0,
            untouched: true,
            complete: false,
            heads: ResponseHeads::default(),
            answered: false,
            blocked: false,
            observed: false,
        };
        turns.begin(connection, take_handed_off());
        turns
    }

    /// Before a write: a write after a response begins a turn, unless an upload goes on after an early response, or the
    /// connection is upgraded.
    pub(super) fn begin_next(&mut self, connection: &Connection) {
        if !self.answered || self.blocked {
            return;
        }
        let uploading = || self.attempt().is_some_and(|attempt| !attempt.io().is_request_complete());
        match take_handed_off() {
            None if connection.io().is_upgraded() || uploading() => {}
            handed_off => self.begin(connection, handed_off),
        }
    }

    fn begin(&mut self, connection: &Connection, handed_off: Option<Attempt>) {
        (self.heads, self.answered) = (ResponseHeads::default(), false);
        (self.untouched, self.complete) = (true, false);
        self.number += 1;
        // An attempt that has a connection was not handed off to this one: HTTP/2 asks for the body too.
        let mine =
            |attempt: &Attempt| attempt.origin() == connection.origin() && attempt.connection().is_none();
        let sending = |attempt: &Attempt| attempt.io().begin_request(connection, Instant::now());
        let handed_off = handed_off.filter(mine);
        self.observed = handed_off.is_some();
        let live = handed_off.as_ref().is_some_and(sending);
        // Keep an ended attempt if it was reported as unsent, so that its write is refused.
        let kept = handed_off.filter(|attempt| live || attempt.io().reported_not_sent());
        self.attempt = kept.as_ref().map(WeakAttempt::new);
        if !live {
            connection.io().record_foreign_use();
        }
    }

    /// Claims the write.
    ///
    /// # Errors
    /// The request was reported as unsent: nothing of it may be written.
    pub(super) fn claim(&self) -> io::Result<()> {
        let refuses =
            |weak: &WeakAttempt| !weak.upgrade().is_some_and(|attempt| attempt.io().try_begin_write());
        if self.untouched && self.attempt.as_ref().is_some_and(refuses) {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        Ok(())
    }

    /// Whether the connection may be idle, if no attempt uses it.
    pub(super) const fn may_be_idle(&self) -> bool {
        self.observed && self.answered && !self.blocked
    }

    /// Whether the request of this turn belongs to an attempt.
    pub(super) const fn are_observed(&self) -> bool {
        self.observed
    }

    fn attempt(&self) -> Option<Attempt> {
        self.attempt.as_ref().and_then(WeakAttempt::upgrade)
    }

    pub(super) fn written(&mut self, result: &Poll<io::Result<usize>>, at: Instant) {
        self.blocked = result.is_pending();
        if let Some(attempt) = self.attempt() {
            match result {
                Poll::Pending => {
                    if self.untouched {
                        attempt.io().undo_begin_write();
                    }
                    attempt.io().blocked();
                }
                Poll::Ready(Ok(bytes)) => attempt.io().written(*bytes as u64, at),
                Poll::Ready(Err(_)) => attempt.io().write_failed(),
            }
        }
        self.untouched &= result.is_pending();
        self.complete &= result.is_pending();
    }

    /// hyper flushes when it has written everything.
    pub(super) fn flushed(&mut self, result: &Poll<io::Result<()>>) {
        match result {
            // TLS has accepted bytes that the socket does not.
            Poll::Pending => {
                if let Some(attempt) = self.attempt().filter(|_| !self.untouched && !self.complete) {
                    attempt.io().blocked();
                }
            }
            Poll::Ready(Ok(())) if self.untouched || self.blocked || self.complete => {}
            Poll::Ready(Ok(())) => {
                if let Some(attempt) = self.attempt() {
                    attempt.io().unblocked();
                    self.complete = attempt.io().flushed();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
    }

    pub(super) fn read(&mut self, connection: &Connection, bytes: &[u8], at: Instant) {
        if !self.answered {
            let began = self.heads.read(bytes, at);
            self.first_byte(began);
        } else if connection.io().is_response_complete(self.number) {
            // Bytes without a request: hyper closes the connection.
            connection.io().hint(CloseHint::ProtocolError);
        }
    }

    /// Nothing more can be read.
    pub(super) fn read_ended(&mut self) {
        let began = self.heads.end();
        self.first_byte(began);
    }

    fn first_byte(&mut self, began: Option<Instant>) {
        if let Some(at) = began {
            self.answered = true;
            if let Some(attempt) = self.attempt() {
                attempt.io().first_byte(at, self.blocked);
            }
        }
    }
}
