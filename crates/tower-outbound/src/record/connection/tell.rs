//! Tells observers of a connection what becomes of it: in order, one at a time, and without a lock held.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use tokio::time::Instant;

use super::close::{CloseHint, CloseReason, IoEnd};
use super::flight::{Aboard, Flight, Note, Payer, Seen};
use super::{Connection, Use};
use crate::event::{Event, StackWarning, log};
use crate::record::Attempt;

impl Connection {
    pub(crate) fn flight(&self) -> MutexGuard<'_, Flight> {
        self.0.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what will have closed the connection, if it closes.
    pub(crate) fn hint(&self, hint: CloseHint) {
        if hint == CloseHint::Upgraded {
            self.0.upgraded.store(true, Ordering::Release);
        }
        self.flight().hint(hint);
    }

    /// An attempt on it was given up before its end.
    pub(crate) fn cut(&self) {
        self.flight().cut();
    }

    /// An attempt on it was not answered whole; only where no frame tells which streams were open at its end.
    /// `died`: the attempt has failed as one does whose connection dies.
    pub(crate) fn cut_unseen(&self, died: bool) {
        self.flight().cut_unseen(died);
    }

    /// A turn by a request that no attempt stands for.
    pub(crate) fn begin_unknown_use(&self) {
        self.miss_the_layer();
        self.flight().pass();
    }

    /// An attempt is served by it.
    ///
    /// Unless the connection is closed, [`assign`](Self::assign) follows when the attempt knows its use; where
    /// it is counted, [`end_use`](Self::end_use) follows at its end.
    pub(crate) fn begin_use(&self, attempt: &Attempt, at: Instant, seen: Seen) -> (Use, Aboard) {
        let mut flight = self.flight();
        if !self.is_tracked() {
            // No IO counts them.
            flight.uses += 1;
            let paid = self.setup().started_by() == Some(attempt.id());
            let payer = match self.is_first_kept() {
                true if paid => Payer::ThisAttempt,
                true => Payer::Another,
                false => Payer::Nobody,
            };
            return flight.begin_use(Seen::Stream(payer), self.0.opened, at);
        }
        let seen = if self.is_opaque() {
            // Neither turns nor frames are seen: its being named is its use.
            if seen == Seen::Named { Seen::Turn } else { seen }
        } else if self.is_http2() {
            Seen::Stream(match self.setup().started_by() {
                Some(id) if id == attempt.id() => Payer::ThisAttempt,
                Some(_) if !self.setup().is_forsaken() => Payer::Another,
                _ => Payer::Nobody,
            })
        } else {
            seen
        };
        flight.begin_use(seen, self.0.opened, at)
    }

    /// Tells that the attempt is served by it.
    pub(crate) fn assign(&self, attempt: &Attempt, usage: Use) {
        // Observers are never told of a connection whose end they would not be told.
        if !self.is_tracked() || !self.0.registry.observers().are_listening() {
            return attempt.assigned();
        }
        let mut flight = self.flight();
        flight.notes.push_back(Note::Assigned(attempt.clone(), usage));
        self.tell(flight);
    }

    /// An attempt that it served is over; an upgraded one goes on without.
    pub(crate) fn end_use(&self, at: Instant) {
        let mut flight = self.flight();
        if self.is_upgraded() {
            flight.hold();
        } else {
            flight.end_use(self.0.opened, at, self.0.registry.settings().idle_timeout);
        }
        self.tell(flight);
    }

    /// A request goes out on a stream of its own.
    pub(crate) fn begin_stream(&self) {
        self.miss_the_layer();
        let mut flight = self.flight();
        flight.begin_stream();
        self.tell(flight);
    }

    pub(crate) fn end_stream(&self, at: Instant) {
        let mut flight = self.flight();
        flight.end_use(self.0.opened, at, self.0.registry.settings().idle_timeout);
        self.tell(flight);
    }

    /// The peer has sent GOAWAY.
    pub(crate) fn go_away(&self) {
        self.flight().go_away();
    }

    pub(crate) fn io_gone(&self, end: IoEnd, open_streams: u64, at: Instant) {
        let mut flight = self.flight();
        flight.end(end, open_streams, self.0.opened, at, self.0.registry.settings().idle_timeout);
        self.tell(flight);
    }

    /// A request goes out, and no attempt was ever seen.
    fn miss_the_layer(&self) {
        if !self.0.registry.has_seen_attempt() {
            self.0.registry.warn(StackWarning::Unobserved);
        }
    }

    /// The pool gives it to nobody any more, and it is idle.
    pub(crate) fn evict(&self) {
        let mut flight = self.flight();
        flight.evict();
        self.tell(flight);
    }

    /// It is silent, and ends with the attempt that has found it so.
    pub(crate) fn blame_silence(&self) {
        self.flight().hint(CloseHint::Silent);
    }

    /// Tells what was added without telling.
    pub(crate) fn tell_rest(&self) {
        self.tell(self.flight());
    }

    /// Whoever comes first tells what others add meanwhile.
    fn tell<'a>(&'a self, mut flight: MutexGuard<'a, Flight>) {
        if flight.telling || flight.notes.is_empty() {
            return;
        }
        flight.telling = true;
        while let Some(note) = flight.notes.pop_front() {
            drop(flight);
            self.tell_one(&note);
            flight = self.flight();
        }
        flight.telling = false;
    }

    fn tell_one(&self, note: &Note) {
        let registry = &self.0.registry;
        match note {
            Note::Active => registry.emit(&Event::ConnectionActive { connection: self }),
            Note::Assigned(attempt, usage) => {
                registry.emit(&Event::ConnectionAssigned { connection: self, attempt, usage });
                attempt.assigned();
            }
            Note::Idle => registry.emit(&Event::ConnectionIdle { connection: self }),
            Note::Retired(reason) => {
                let reason = *reason;
                // Said also where nothing but warnings is wanted; the retry for which one is evicted is told by itself.
                if reason == CloseReason::Silent {
                    log::retired(self, reason);
                }
                registry.emit(&Event::ConnectionRetired { connection: self, reason });
            }
            Note::Closed(closed) => {
                registry.emit(&Event::ConnectionClosed { connection: self, closed });
                registry.remove(self);
            }
        }
    }
}
