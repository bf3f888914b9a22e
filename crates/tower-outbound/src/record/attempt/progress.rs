//! How an attempt goes on: what the request's body, the connection's IO and the observe layer say.
//!
//! The connection's task only writes marks; phases are told from the caller's, at the head and at the end.

use std::sync::atomic::Ordering;

use http::{StatusCode, Version};
use tokio::time::Instant;

use super::Attempt;
use super::marks::{Mark, Marks};
use crate::event::Event;
use crate::failure::{Failure, Phase};
use crate::record::{Connection, Seen, Setup};

impl Attempt {
    // === what the limit of requests in flight says ===

    /// It has to wait for a slot.
    pub(crate) fn enter_queue(&self) {
        self.0.marks.slot.clear();
        self.0.marks.queued.set(self.0.start, Instant::now());
    }

    pub(crate) fn leave_queue(&self) {
        self.0.marks.slot.set(self.0.start, Instant::now());
    }

    /// A slot was free; what was waited for at another limit stays.
    pub(crate) fn pass_queue(&self) {
        self.0.marks.slot.set_once(self.0.start, self.0.start);
    }

    /// Whether it waits for a slot, so that the client knows nothing of it.
    pub(in crate::record) fn is_queued(&self) -> bool {
        self.0.marks.queued.is_set() && !self.0.marks.slot.is_set()
    }

    // === what the request's body says ===

    /// Someone asks whether the request's body is empty: if it is not a layer on the caller's side, it is
    /// the client's connection, about to send the head.
    pub(crate) fn asked(&self) {
        let on_the_callers_side = Self::current().is_some_and(|current| current.id() == self.id());
        if !on_the_callers_side && !self.0.marks.send_start.is_set() {
            let at = Instant::now();
            self.take();
            self.0.marks.taken.set(self.0.start, at);
            self.0.marks.given.set(self.0.start, at);
            match Connection::driven().filter(Connection::is_http2) {
                Some(connection) => self.settle(&connection, at),
                None => self.offer(self.is_sealed()),
            }
        }
    }

    pub(crate) fn count_request(&self, bytes: u64) {
        self.0.request_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The client has another part of the body, or waits for one.
    pub(crate) fn given(&self, waits: bool) {
        match waits {
            true => self.0.marks.given.clear(),
            false => self.0.marks.given.set(self.0.start, Instant::now()),
        }
    }

    /// The request's body was handed over whole.
    pub(crate) fn request_done(&self) {
        if !self.0.marks.body_sent.is_set() {
            self.0.marks.body_sent.set_once(self.0.start, Instant::now());
        }
    }

    pub(crate) fn is_request_done(&self) -> bool {
        self.0.marks.body_sent.is_set()
    }

    // === what the connection's IO says (HTTP/1) ===

    /// The connection begins to write this request. Says whether the attempt is still there.
    pub(crate) fn begin_send(&self, connection: &Connection, at: Instant) -> bool {
        let marks = &self.0.marks;
        if !self.is_ended() {
            marks.send_start.set(self.0.start, at);
            marks.send_end.clear();
            marks.first_byte.clear();
            marks.blocked.clear();
        }
        let there = self.serve(connection, at, Seen::Turn);
        if there {
            self.take_turn();
        }
        there
    }

    /// The peer's side takes nothing now.
    pub(crate) fn blocked(&self) {
        if !self.0.marks.blocked.is_set() {
            self.0.marks.blocked.set_once(self.0.start, Instant::now());
        }
    }

    /// The peer's side takes something again.
    pub(crate) fn unblocked(&self) {
        if self.0.marks.blocked.is_set() {
            self.0.marks.blocked.clear();
        }
    }

    /// A write has returned so many bytes.
    pub(crate) fn written(&self, bytes: u64, at: Instant) {
        self.count_wire(bytes);
        self.unblocked();
        if !self.0.marks.first_byte.is_set() && !self.is_ended() {
            self.0.marks.send_end.set(self.0.start, at);
        }
    }

    /// A write has failed; TLS may have sent a part of it before that.
    pub(crate) fn write_failed(&self) {
        self.count_wire(0);
    }

    pub(crate) fn first_byte(&self, at: Instant, still_writing: bool) {
        let inner = &*self.0;
        let early = still_writing || !self.is_request_done();
        if !self.is_ended() && inner.marks.first_byte.set_once(inner.start, at) && early {
            inner.answered_early.store(true, Ordering::Release);
        }
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
        }
        inner.marks.head.set(inner.start, at);
        self.tell_phases(Phase::Body);
    }

    /// The client names the serving connection; what was seen on another one does not count.
    pub(crate) fn settle(&self, connection: &Connection, at: Instant) {
        let marks = &self.0.marks;
        if self.connection().is_some_and(|seen| seen.id() == connection.id()) {
            return;
        }
        for mark in [&marks.send_start, &marks.send_end, &marks.first_byte] {
            mark.clear();
        }
        self.lose_turn();
        let seen = if marks.taken.is_set() { Seen::Named } else { Seen::Unsent };
        self.serve(connection, at, seen);
    }

    pub(crate) fn count_response(&self, bytes: u64) {
        self.0.response_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The retry layer drops the rest of the response.
    pub(crate) fn release(&self) {
        self.0.released.store(true, Ordering::Release);
    }

    // === what timeouts ask ===

    /// Since when the peer has the whole request and has not answered.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        let Marks { taken, body_sent, send_end, blocked, .. } = &self.0.marks;
        let at = |mark: &Mark| mark.get(self.0.start);
        let whole = at(taken)?.max(at(body_sent)?);
        if blocked.is_set() { None } else { Some(at(send_end).map_or(whole, |sent| sent.max(whole))) }
    }

    /// Since when the peer takes nothing of a request that is not whole yet: on HTTP/1 the IO has the say,
    /// elsewhere the body.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        let marks = &self.0.marks;
        let at = |mark: &Mark| mark.get(self.0.start);
        match at(&marks.blocked) {
            None if !marks.send_start.is_set() && !self.is_request_done() => at(&marks.given),
            blocked => blocked,
        }
    }

    /// A timeout is about to end it: is it alone in hearing nothing? If not, its connection is told, unless the
    /// peer has reason to wait for the rest of the request. `idle`: it takes nothing of it.
    pub(crate) fn look_for_silence(&self, idle: bool) {
        let inner = &*self.0;
        let silent = match self.connection() {
            Some(connection) if connection.is_silent_since(inner.start) => vec![connection],
            // What no connection has taken says nothing of any.
            None if inner.marks.taken.is_set() => inner.registry.silent_http2(&inner.origin, inner.start),
            _ => Vec::new(),
        };
        inner.silent.store(!silent.is_empty(), Ordering::Release);
        if !self.is_request_done() && !idle && !inner.marks.blocked.is_set() {
            return;
        }
        // One without a stream was not asked anything.
        let asked = |one: &&Connection| one.in_flight() > 0;
        let any = silent.iter().any(|one| asked(&one));
        silent.iter().filter(|one| !any || asked(one)).for_each(Connection::strike);
    }

    // === phases ===

    /// Where no IO tells whose bytes it carries (HTTP/2, a connection that is not tracked), the request's
    /// body is the witness of the sending.
    pub(in crate::record) fn send_by_body(&self, at: Instant) {
        let inner = &*self.0;
        if inner.marks.send_start.is_set() {
            return;
        }
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
    }

    /// Since when the client has it.
    pub(crate) fn acquires_since(&self) -> Instant {
        self.0.marks.slot.get(self.0.start).unwrap_or(self.0.start)
    }

    /// Where it is now, and since when.
    pub(in crate::record) fn current_phase(&self) -> (Phase, Instant) {
        let inner = &*self.0;
        let at = |mark: &Mark| mark.get(inner.start);
        if let Some(head) = at(&inner.marks.head) {
            return (Phase::Body, head);
        }
        if let Some(first_byte) = at(&inner.marks.first_byte) {
            return (Phase::Head, first_byte);
        }
        match (at(&inner.marks.send_start), at(&inner.marks.send_end)) {
            (Some(_), Some(sent)) if self.is_request_done() && !inner.marks.blocked.is_set() => {
                (Phase::Wait, sent)
            }
            (Some(start), _) => (Phase::Send, start),
            (None, _) if self.is_queued() => (Phase::Queue, inner.start),
            (None, _) => (Phase::Acquire, self.acquires_since()),
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

    /// Tells the phases that have ended before this one.
    pub(in crate::record) fn tell_phases(&self, until: Phase) {
        if !self.0.registry.observers().are_listening() {
            return;
        }
        let timings = self.timings();
        let order = [Phase::Queue, Phase::Acquire, Phase::Send, Phase::Wait, Phase::Head];
        for phase in order.into_iter().take_while(|phase| *phase != until) {
            if let Some((start, end)) = timings.span(phase) {
                self.tell_phase(phase, start, end, None);
            }
        }
    }

    pub(in crate::record) fn tell_phase(
        &self,
        phase: Phase,
        start: Instant,
        end: Instant,
        failure: Option<&Failure>,
    ) {
        self.0.registry.emit(&Event::AttemptPhase { attempt: self, phase, start, end, failure });
    }
}
