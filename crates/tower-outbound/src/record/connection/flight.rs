//! What is in flight on a connection: pure state, told to nobody from here.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::close::{CloseHint, CloseReason, Closed, IoEnd};
use super::{ConnectionState, Use};
use crate::foreign::Silence;
use crate::record::Attempt;

/// hyper closes a connection in the poll that follows the drop of an unread body, or not for that reason.
const DROP_GRACE: Duration = Duration::from_millis(100);

/// How it became known that a connection serves an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// An HTTP/1 connection wrote the request: this is its next use.
    Turn,
    /// The client named the connection, which has taken the request.
    Named,
    /// The client named the connection, which has not taken the request.
    Unsent,
    /// The client named an HTTP/2 connection, or one that is not tracked; says whether this attempt has started its setup.
    Stream(Payer),
}

/// Who has started the setup of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payer {
    ThisAttempt,
    Another,
    Nobody,
}

/// What became of an attempt that comes to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aboard {
    /// It is in flight until its end is told.
    Counted,
    /// Its stream is in flight, and tells by itself; or the connection is not tracked, and nothing tells.
    Named,
    /// The connection is closed.
    Closed,
}

/// What observers are still to be told, in order.
#[derive(Debug)]
pub(crate) enum Note {
    Active,
    Assigned(Attempt, Use),
    Idle,
    Retired(CloseReason),
    Closed(Closed),
}

/// The uses of a connection, and how it ends.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) uses: u64,
    pub(crate) in_flight: u64,
    /// The last number given to an attempt on HTTP/2.
    numbered: u64,
    /// Of those in flight, the ones that end with the IO only: upgraded.
    held: u64,
    idle_since: Option<Instant>,
    hint: Option<CloseHint>,
    /// An attempt was given up before its end, and nothing has shown that the connection outlives it.
    cut: bool,
    /// The peer goes away (HTTP/2).
    goaway: bool,
    /// The pool gives it to nobody any more.
    evicted: bool,
    pub(crate) silence: Silence,
    end: Option<IoEnd>,
    closed: bool,
    pub(crate) notes: VecDeque<Note>,
    pub(crate) telling: bool,
}

impl Flight {
    /// What will have closed the connection, if it closes; an earlier hint stays.
    pub(crate) fn hint(&mut self, hint: CloseHint) {
        self.hint.get_or_insert(hint);
    }

    /// The peer will take no further request.
    pub(crate) fn go_away(&mut self) {
        self.goaway = true;
    }

    /// It takes no further request; `false` where that was so before.
    pub(crate) fn retire(&mut self) -> bool {
        if self.state() == ConnectionState::Draining || self.end.is_some() {
            return false;
        }
        self.hint(CloseHint::Silent);
        self.notes.push_back(Note::Retired(CloseReason::Silent));
        true
    }

    /// The pool gives it to nobody any more; what has not ended it so far will not have been the reason.
    pub(crate) fn evict(&mut self) {
        if self.state() == ConnectionState::Idle && self.end.is_none() {
            self.survive();
            self.evicted = true;
            self.notes.push_back(Note::Retired(CloseReason::Evicted));
        }
    }

    pub(crate) fn state(&self) -> ConnectionState {
        let last =
            matches!(self.hint, Some(CloseHint::ConnectionClose | CloseHint::Http10 | CloseHint::Silent));
        match self.in_flight {
            _ if self.goaway || self.evicted || last || self.closed => ConnectionState::Draining,
            0 => ConnectionState::Idle,
            _ => ConnectionState::Active,
        }
    }

    /// An attempt was given up before its end.
    pub(crate) fn cut(&mut self) {
        self.cut = true;
    }

    /// An attempt has ended without its answer: by the end of the IO, if that came first or the attempt says so.
    pub(crate) fn cut_unseen(&mut self, died: bool) {
        self.cut |= died || self.end.is_some();
    }

    /// A turn of a request that no attempt stands for: nobody will tell its end.
    pub(crate) fn pass(&mut self) {
        self.survive();
        self.uses += 1;
    }

    /// A request goes out on a stream of its own.
    pub(crate) fn begin_stream(&mut self) {
        self.uses += 1;
        self.activate();
    }

    /// An attempt comes on board; says which use it is.
    pub(crate) fn begin_use(&mut self, seen: Seen, opened: Instant, at: Instant) -> (Use, Aboard) {
        let number = match seen {
            Seen::Turn => self.uses + 1,
            Seen::Named => self.uses.max(1),
            Seen::Unsent => self.uses + 1,
            Seen::Stream(Payer::ThisAttempt) => 1,
            Seen::Stream(payer) => {
                // The first use is kept for the attempt that pays for it.
                let taken = u64::from(payer == Payer::Another);
                self.numbered = self.numbered.max(taken) + 1;
                self.numbered
            }
        };
        if let Seen::Stream(_) = seen {
            let aboard = if self.closed { Aboard::Closed } else { Aboard::Named };
            return (Use { number, idle_time: None, ready_at: opened }, aboard);
        }
        let idle_since = self.idle_since.filter(|_| number > 1);
        let busy = self.in_flight > 0;
        let idle_time = idle_since.filter(|_| !busy).map(|since| at.saturating_duration_since(since));
        let ready_at = if busy { at } else { idle_since.unwrap_or(opened) };
        let usage = Use { number, idle_time, ready_at };
        if self.closed {
            return (usage, Aboard::Closed);
        }
        if seen == Seen::Turn {
            self.survive();
            self.uses += 1;
        }
        self.activate();
        (usage, Aboard::Counted)
    }

    /// An attempt or a stream is over.
    pub(crate) fn end_use(&mut self, opened: Instant, at: Instant, idle_timeout: Duration) {
        self.idle_since = Some(at);
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.in_flight > 0 {
            return;
        }
        if self.end.is_some() {
            self.close(true, opened, at, idle_timeout);
        } else {
            self.notes.push_back(Note::Idle);
        }
    }

    /// The attempt is over, but its use of the connection goes on.
    pub(crate) fn hold(&mut self) {
        self.held += 1;
    }

    /// The IO is gone. The connection is closed as soon as no attempt is on it, since until then a header
    /// or a failure may still name the reason. Streams that are open are cut by it.
    pub(crate) fn end(
        &mut self,
        end: IoEnd,
        open_streams: u64,
        opened: Instant,
        at: Instant,
        idle_timeout: Duration,
    ) {
        let was_active = self.in_flight > 0;
        self.end = Some(end);
        self.cut |= open_streams > 0;
        self.in_flight = self.in_flight.saturating_sub(open_streams + self.held);
        if self.in_flight == 0 {
            self.close(was_active, opened, at, idle_timeout);
        }
    }

    fn activate(&mut self) {
        self.in_flight += 1;
        if self.in_flight == 1 {
            self.notes.push_back(Note::Active);
        }
    }

    /// A new turn proves that a dropped body, a cut attempt, silence or stray bytes did not cost the connection.
    fn survive(&mut self) {
        self.cut = false;
        let passing = |hint: &mut CloseHint| {
            matches!(hint, CloseHint::BodyDropped | CloseHint::ProtocolError | CloseHint::Silent)
        };
        self.hint.take_if(passing);
    }

    fn close(&mut self, was_active: bool, opened: Instant, at: Instant, idle_timeout: Duration) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        let end = self.end.unwrap_or_default();
        let used_before = self.idle_since.map(|since| at.saturating_duration_since(since));
        let idle_for = at.saturating_duration_since(self.idle_since.unwrap_or(opened));
        let lived_on = end.end_of_file || end.error.is_some() || used_before >= Some(DROP_GRACE);
        // A connection that has lived on after a dropped body was not closed by it.
        let hint = self.hint.filter(|hint| *hint != CloseHint::BodyDropped || !lived_on);
        let reason = match hint {
            Some(hint) => hint.reason(),
            None if self.goaway => CloseReason::GoAway,
            None if end.error.is_some() => CloseReason::Error,
            None if end.end_of_file => CloseReason::PeerClosed,
            None if self.evicted => CloseReason::Evicted,
            None if !was_active && idle_for >= idle_timeout => CloseReason::IdleTimeout,
            None => CloseReason::Dropped,
        };
        self.notes.push_back(Note::Closed(Closed {
            reason,
            was_active,
            killed: self.cut && used_before < Some(DROP_GRACE),
            error: end.error,
            lifetime: at.saturating_duration_since(opened),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

    /// Why one closes that was evicted twice after its only use, whose body was dropped.
    fn closed(begin: bool, end: IoEnd) -> Vec<CloseReason> {
        let (mut flight, at) = (Flight::default(), Instant::now());
        flight.begin_use(Seen::Turn, at, at);
        flight.evict();
        flight.hint(CloseHint::BodyDropped);
        flight.end_use(at, at, IDLE_TIMEOUT);
        flight.evict();
        flight.evict();
        assert_eq!(flight.state(), ConnectionState::Draining);
        if begin {
            flight.begin_use(Seen::Turn, at, at);
            flight.hint(CloseHint::ConnectionClose);
            flight.end_use(at, at, IDLE_TIMEOUT);
        }
        flight.end(end, 0, at, at, IDLE_TIMEOUT);
        let reason = |note| match note {
            Note::Retired(reason) => Some(reason),
            Note::Closed(closed) => Some(closed.reason()),
            Note::Active | Note::Assigned(..) | Note::Idle => None,
        };
        flight.notes.drain(..).filter_map(reason).collect()
    }

    #[test]
    fn evicted_close_reason_set_once_and_only_without_other() {
        use CloseReason::{ConnectionClose, Evicted, PeerClosed};

        let dead = IoEnd { end_of_file: true, error: None };
        assert_eq!(closed(false, IoEnd::default()), [Evicted, Evicted]);
        assert_eq!(closed(false, dead), [Evicted, PeerClosed]);
        assert_eq!(closed(true, dead), [Evicted, ConnectionClose]);
    }
}
