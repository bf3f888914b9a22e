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
    /// The same, until its request is wholly written and flushed: each write of it asks before.
    request: Option<Attempt>,
    claim: Claim,
    /// The number of the use of the connection, counted from 1.
    number: u64,
    /// No write of this turn has returned yet.
    untouched: bool,
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
            request: None,
            claim: Claim::None,
            number: 0,
            untouched: true,
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
    #[inline]
    pub(super) fn begin_next(&mut self, connection: &Connection) {
        if !self.answered || self.blocked {
            return;
        }
        // hyper begins no request before it has the whole body of the last one. What was handed off is another client's.
        if self.request.as_ref().is_some_and(|request| !request.io().is_request_complete()) {
            return;
        }
        match take_handed_off() {
            // The request is kept until it is wholly written.
            None if connection.io().is_upgraded() || self.request.is_some() => {}
            handed_off => self.begin(connection, handed_off),
        }
    }

    fn begin(&mut self, connection: &Connection, handed_off: Option<Attempt>) {
        (self.heads, self.answered) = (ResponseHeads::default(), false);
        (self.untouched, self.claim) = (true, Claim::None);
        self.number += 1;
        // An attempt that has a connection was not handed off to this one: HTTP/2 asks for the body too.
        let mine =
            |attempt: &Attempt| attempt.origin() == connection.origin() && attempt.connection().is_none();
        let sending = |attempt: &Attempt| attempt.io().begin_request(connection);
        let handed_off = handed_off.filter(mine);
        self.observed = handed_off.is_some();
        let live = handed_off.as_ref().is_some_and(sending);
        // Keep an ended attempt if it has failed, so that its write is refused.
        self.request = handed_off.filter(|attempt| live || attempt.io().is_sealed());
        self.attempt = self.request.as_ref().map(WeakAttempt::new);
        if !live {
            connection.io().record_foreign_use(self.observed);
        }
    }

    /// Claims a write of this many bytes, or a flush of 0.
    ///
    /// # Errors
    /// The attempt has failed: nothing more of its request may be written.
    #[inline]
    pub(super) fn claim(&mut self, offered: u64) -> io::Result<()> {
        let Some(request) = &self.request else { return Ok(()) };
        if self.claim == Claim::Whole {
            if offered == 0 {
                return Ok(());
            }
            request.io().write_failed(0, true);
        }
        let claimed = request.io().try_write(offered);
        self.claim = if claimed { Claim::Write(offered) } else { Claim::None };
        if claimed { Ok(()) } else { Err(io::Error::from(io::ErrorKind::ConnectionAborted)) }
    }

    /// Whether the connection may be idle, if no attempt uses it.
    #[inline]
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

    /// Whether a write of this turn has returned something else than pending.
    pub(super) fn is_touched(&self) -> bool {
        !self.untouched
    }

    /// Whether the caller has the response, and reads it: hyper then waits for the caller.
    pub(super) fn is_response_read(&self, connection: &Connection) -> bool {
        let live = || self.attempt().is_some_and(|attempt| !attempt.is_ended());
        self.answered && !connection.io().is_upgraded() && live()
    }

    /// A write has ended. `lost`: if it failed, a part of the request may have been sent all the same.
    #[inline]
    pub(super) fn written(&mut self, result: &Poll<io::Result<usize>>, lost: bool, at: Instant) {
        self.blocked = result.is_pending();
        self.untouched &= result.is_pending();
        let Claim::Write(offered) = std::mem::take(&mut self.claim) else { return };
        let Some(request) = &self.request else { return };
        match result {
            Poll::Pending => {
                request.io().write_pending(offered);
                request.io().blocked();
            }
            Poll::Ready(Ok(bytes)) => {
                if request.io().written(offered, *bytes as u64, at) {
                    self.claim = Claim::Whole;
                }
            }
            Poll::Ready(Err(_)) => request.io().write_failed(offered, lost),
        }
    }

    /// A flush has ended: hyper flushes when it has written everything. Returns whether the request is whole only now, after
    /// its response has begun.
    #[inline]
    pub(super) fn flushed(&mut self, result: &Poll<io::Result<()>>) -> bool {
        if self.claim == Claim::None {
            return false;
        }
        self.claim = Claim::None;
        let Some(request) = &self.request else { return false };
        match result {
            Poll::Ready(Ok(())) if !self.untouched && !self.blocked => {
                if request.io().flushed() {
                    self.request = None;
                    return self.answered;
                }
            }
            Poll::Ready(_) => request.io().write_pending(0),
            Poll::Pending => {
                request.io().write_pending(0);
                // TLS has accepted bytes that the socket does not.
                if !self.untouched {
                    request.io().blocked();
                }
            }
        }
        false
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

    #[inline]
    fn first_byte(&mut self, began: Option<Instant>) {
        if let Some(at) = began {
            self.answered = true;
            if let Some(attempt) = self.attempt() {
                attempt.io().first_byte(at, self.blocked);
            }
        }
    }
}

/// What was claimed of the request that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Claim {
    #[default]
    None,
    /// A write of this many bytes, or a flush of 0, is under way.
    Write(u64),
    /// A write took the rest of the request. The flush that follows ends the claim, so that a report in between waits.
    Whole,
}
