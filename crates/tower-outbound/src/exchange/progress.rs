//! How an exchange goes on: what the request's body, the connection and the observe layer say.

use std::sync::atomic::Ordering;

use http::{StatusCode, Version};
use tokio::time::Instant;

use super::marks::Mark;
use super::{Exchange, Phase};
use crate::classify::{Failure, Kind};
use crate::connect::{CloseHint, Connection, Seen, Setup};
use crate::event::{Event, Outcome, StackWarning};

impl Exchange {
    pub(crate) fn add_setup(&self, setup: Setup) {
        self.serving().setups.push(setup);
    }

    /// The setup has led to a connection; if another one serves already, it was for nothing.
    pub(crate) fn setup_done(&self, setup: &Setup, connection: &Connection) {
        let other = self.serving().connection.as_ref().is_some_and(|serving| serving.id() != connection.id());
        if other {
            setup.waste(self);
        }
    }

    // === what the request's body says ===

    /// Someone asks whether the request's body is empty: if it is not a layer on the caller's side, it is
    /// the client's connection, about to send the head.
    pub(crate) fn asked(&self) {
        let on_the_callers_side = Self::current().is_some_and(|current| current.id() == self.id());
        if !on_the_callers_side && !self.0.marks.send_start.is_set() {
            self.0.marks.taken.set(self.0.start, Instant::now());
            self.offer();
        }
    }

    pub(crate) fn count_request(&self, bytes: u64) {
        self.0.request_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The request's body was handed over whole, or will not be handed over any more.
    pub(crate) fn request_done(&self) {
        if !self.0.marks.body_sent.is_set() {
            self.0.marks.body_sent.set_once(self.0.start, Instant::now());
        }
    }

    pub(crate) fn is_request_done(&self) -> bool {
        self.0.marks.body_sent.is_set()
    }

    // === what the connection says ===

    /// The connection begins to write this request (HTTP/1). Says whether it is a use of the connection.
    pub(crate) fn begin_send(&self, connection: &Connection, at: Instant) -> bool {
        let marks = &self.0.marks;
        if !self.is_ended() {
            marks.send_start.set(self.0.start, at);
            marks.send_end.clear();
            marks.first_byte.clear();
            self.emit_phase(Phase::Acquire, self.0.start, at);
        }
        self.serve(connection, at, Seen::Turn)
    }

    pub(crate) fn written(&self, at: Instant) {
        if !self.0.marks.first_byte.is_set() && !self.is_ended() {
            self.0.marks.send_end.set(self.0.start, at);
        }
    }

    pub(crate) fn first_byte(&self, at: Instant, still_writing: bool) {
        let inner = &*self.0;
        if self.is_ended() || !inner.marks.first_byte.set_once(inner.start, at) {
            return;
        }
        if still_writing || !self.is_request_done() {
            inner.answered_early.store(true, Ordering::Release);
        }
        self.emit_sent_phases();
    }

    /// The phases that the first byte ends.
    fn emit_sent_phases(&self) {
        if !self.0.registry.observers().are_listening() {
            return;
        }
        let timings = self.timings();
        for phase in [Phase::Send, Phase::Wait] {
            if let Some((start, end)) = timings.span(phase) {
                self.emit_phase(phase, start, end);
            }
        }
    }

    /// Makes a connection the serving one, once; says whether that was a use of it.
    ///
    /// No lock is held while observers are told: the connection is noted, told, and only then is its use.
    fn serve(&self, connection: &Connection, at: Instant, seen: Seen) -> bool {
        let mut serving = self.serving();
        if serving.finished {
            return false;
        }
        if serving.connection.as_ref().is_some_and(|current| current.id() == connection.id()) {
            return true;
        }
        let before =
            serving.connection.replace(connection.clone()).filter(|_| serving.usage.take().is_some());
        drop(serving);
        if let Some(before) = before {
            before.end_use(at);
        }

        let usage = connection.begin_use(self, at, seen);
        let mut serving = self.serving();
        serving.usage = Some(usage);
        let finished = serving.finished;
        let wasted: Vec<_> = (serving.setups.iter())
            .filter(|setup| setup.connection_id().is_some_and(|id| id != connection.id()))
            .cloned()
            .collect();
        drop(serving);
        for setup in wasted {
            setup.waste(self);
        }
        if finished {
            connection.end_use(at);
        }
        true
    }

    // === what the observe layer says ===

    /// The response is here. `connection` is the one that the client names.
    pub(crate) fn head(&self, status: StatusCode, version: Version, connection: Option<&Connection>) {
        let inner = &*self.0;
        let at = Instant::now();
        inner.status.store(status.as_u16(), Ordering::Release);
        let _ = inner.version.set(version);
        if let Some(connection) = connection {
            self.settle(connection, at);
        }
        self.send_by_body(at);
        if inner.marks.first_byte.set_once(inner.start, at) {
            inner.first_byte_bound.store(true, Ordering::Release);
            if inner.marks.send_start.is_set() {
                self.emit_sent_phases();
            }
        }
        inner.marks.head.set(inner.start, at);
        if let Some(first_byte) = inner.marks.first_byte.get(inner.start) {
            self.emit_phase(Phase::Head, first_byte, at);
        }
    }

    /// The client names the serving connection; what was seen on another one does not count.
    pub(crate) fn settle(&self, connection: &Connection, at: Instant) {
        let inner = &*self.0;
        let seen = self.connection().is_some_and(|seen| seen.id() == connection.id());
        if seen {
            return;
        }
        for mark in [&inner.marks.send_start, &inner.marks.send_end, &inner.marks.first_byte] {
            mark.clear();
        }
        self.serve(connection, at, Seen::Named);
    }

    /// Where no IO tells whose bytes it carries (HTTP/2, a connection that is not tracked), the request's
    /// body is the witness of the sending.
    fn send_by_body(&self, at: Instant) {
        let inner = &*self.0;
        let Some(taken) = inner.marks.taken.get(inner.start) else { return };
        if !inner.marks.send_start.set_once(inner.start, taken) {
            return;
        }
        match inner.marks.body_sent.get(inner.start) {
            Some(sent) => inner.marks.send_end.set(inner.start, sent.max(taken)),
            None => {
                inner.marks.send_end.set(inner.start, at);
                inner.answered_early.store(true, Ordering::Release);
            }
        }
        self.emit_phase(Phase::Acquire, inner.start, taken);
    }

    pub(crate) fn count_response(&self, bytes: u64) {
        self.0.response_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Where it is now, and since when.
    pub(crate) fn current_phase(&self) -> (Phase, Instant) {
        let inner = &*self.0;
        let at = |mark: &Mark| mark.get(inner.start);
        if let Some(head) = at(&inner.marks.head) {
            return (Phase::Body, head);
        }
        if let Some(first_byte) = at(&inner.marks.first_byte) {
            return (Phase::Head, first_byte);
        }
        match (at(&inner.marks.send_start), at(&inner.marks.send_end)) {
            (Some(_), Some(sent)) if self.is_request_done() => (Phase::Wait, sent),
            (Some(start), _) => (Phase::Send, start),
            (None, _) => (Phase::Acquire, inner.start),
        }
    }

    /// The phase that a failure or cancellation hits: that of the setup while one runs for it.
    pub(crate) fn failing_phase(&self) -> Phase {
        self.send_by_body(Instant::now());
        let phase = self.current_phase().0;
        if phase != Phase::Acquire {
            return phase;
        }
        let serving = self.serving();
        serving.setups.iter().rev().find_map(Setup::running_phase).unwrap_or(phase)
    }

    /// Ends the exchange; every call after the first does nothing.
    pub(crate) fn finish(&self, outcome: &Outcome) {
        let inner = &*self.0;
        if inner.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        let at = Instant::now();
        self.send_by_body(at);
        let (phase, start) = self.current_phase();
        inner.marks.end.set(inner.start, at);
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Ok | Outcome::Cancelled { .. } => None,
        };
        inner.registry.emit(&Event::ExchangePhase { exchange: self, phase, start, end: at, failure });

        let mut serving = self.serving();
        serving.finished = true;
        let connection = serving.connection.clone();
        let used = serving.usage.is_some();
        drop(serving);

        if let Some(connection) = connection.as_ref().filter(|connection| !connection.is_http2()) {
            give_reason(connection, outcome, phase);
        }
        inner.registry.emit(&Event::ExchangeEnded { exchange: self, outcome });
        if inner.sole {
            inner.registry.emit(&Event::CallEnded { call: &inner.call, outcome });
        }
        match connection {
            Some(connection) if used => connection.end_use(at),
            None if matches!(outcome, Outcome::Ok) && !inner.registry.has_seen_connection() => {
                inner.registry.warn(StackWarning::Untracked);
            }
            _ => {}
        }
    }

    fn emit_phase(&self, phase: Phase, start: Instant, end: Instant) {
        self.0.registry.emit(&Event::ExchangePhase { exchange: self, phase, start, end, failure: None });
    }
}

/// An HTTP/1 connection does not outlive an exchange that was cut off on it, or not for long.
fn give_reason(connection: &Connection, outcome: &Outcome, phase: Phase) {
    match outcome {
        Outcome::Ok => {}
        Outcome::Cancelled { .. } => {
            connection.cut();
            if phase == Phase::Body {
                connection.hint(CloseHint::BodyDropped);
            }
        }
        Outcome::Failed(failure) => {
            connection.cut();
            if matches!(failure.kind(), Kind::Protocol | Kind::InvalidResponse | Kind::LimitExceeded) {
                connection.hint(CloseHint::ProtocolError);
            }
        }
    }
}

impl Failure {
    /// Fills in the phase that the exchange was in, where the error itself tells none.
    pub(crate) fn in_exchange(self, exchange: &Exchange) -> Self {
        match self.phase() {
            Some(_) => self,
            None => self.with_phase(exchange.failing_phase()),
        }
    }
}
