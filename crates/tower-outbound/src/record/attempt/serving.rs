//! Which connection serves an attempt, and how the attempt ends.
//!
//! The connection's task may be telling that it serves while the caller's ends the attempt: the one that is
//! last tells the end, so that no event comes after it.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use http::Request;
use tokio::time::Instant;

use super::Attempt;
use crate::event::{Event, Outcome, StackWarning};
use crate::failure::{Kind, Phase};
use crate::foreign::Capture;
use crate::record::{Aboard, CloseHint, Connection, Seen, Setup, Use};

/// Which connection serves, and which setups were started for the attempt.
#[derive(Default)]
pub(in crate::record) struct Serving {
    pub(in crate::record) connection: Option<Connection>,
    pub(in crate::record) usage: Option<Use>,
    /// The connection waits for the end of this use.
    counted: bool,
    /// What the client fills with the connection that it takes, where it was asked to.
    capture: Option<Capture>,
    pub(in crate::record) setups: Vec<Setup>,
    /// How many are on their way to tell that a connection serves.
    telling: u32,
    finished: bool,
    /// The end, while it waits for them.
    end: Option<End>,
}

/// How an attempt has ended.
struct End {
    outcome: Outcome,
    phase: Phase,
    start: Instant,
    at: Instant,
    /// What the client has filled.
    capture: Option<Capture>,
}

impl Attempt {
    pub(in crate::record) fn serving(&self) -> MutexGuard<'_, Serving> {
        self.0.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_setup(&self, setup: Setup) {
        self.serving().setups.push(setup);
        // The next request may need a connection as this one does.
        self.origin().want_name();
    }

    /// The client is to name the connection that it takes, if there may be one that it has not named yet.
    pub(crate) fn ask_for_name<B>(&self, request: &mut Request<B>) {
        if let Some(capture) = Capture::of_new(request, self.origin()) {
            self.serving().capture = Some(capture);
        }
    }

    /// The setup has led to a connection; if another one serves already, it was for nothing.
    pub(crate) fn setup_done(&self, setup: &Setup, connection: &Connection) {
        let other = self.serving().connection.as_ref().is_some_and(|serving| serving.id() != connection.id());
        if other {
            setup.waste(self);
        }
    }

    /// Makes a connection the serving one, once; says whether the attempt was still there.
    ///
    /// No lock is held while observers are told.
    pub(in crate::record) fn serve(&self, connection: &Connection, at: Instant, seen: Seen) -> bool {
        let mut serving = self.serving();
        if serving.finished {
            return false;
        }
        if serving.connection.as_ref().is_some_and(|current| current.id() == connection.id()) {
            return true;
        }
        serving.telling += 1;
        let counted = std::mem::take(&mut serving.counted);
        let before = serving.connection.replace(connection.clone()).filter(|_| counted);
        serving.usage = None;
        drop(serving);
        if let Some(before) = before {
            before.end_use(at);
        }

        let (usage, aboard) = connection.begin_use(self, at, seen);
        let mut serving = self.serving();
        serving.usage = Some(usage.clone());
        serving.counted = aboard == Aboard::Counted;
        let wasted = |setup: &&Setup| setup.connection_id().is_some_and(|id| id != connection.id());
        let wasted: Vec<_> = serving.setups.iter().filter(wasted).cloned().collect();
        drop(serving);
        for setup in wasted {
            setup.waste(self);
        }
        match aboard {
            Aboard::Closed => self.assigned(),
            Aboard::Counted | Aboard::Named => connection.assign(self, usage),
        }
        true
    }

    /// It was told that a connection serves; if the end has waited for that, it is told now.
    pub(crate) fn assigned(&self) {
        let mut serving = self.serving();
        serving.telling -= 1;
        let end = if serving.telling == 0 { serving.end.take() } else { None };
        drop(serving);
        if let Some(end) = end {
            self.tell_end(&end);
        }
    }

    /// Its HTTP/1 connection was dead: so may others be that were idle when it was given this one.
    pub(crate) fn distrust_idle(&self) {
        let dead = self.connection().filter(|dead| dead.is_tracked() && !dead.is_http2());
        if let Some(dead) = dead {
            self.registry().distrust_idle(&dead, self.acquires_since());
        }
    }

    /// Ends the attempt; every call after the first does nothing.
    pub(crate) fn finish(&self, outcome: &Outcome) {
        let inner = &*self.0;
        if inner.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        let at = Instant::now();
        self.send_by_body(at);
        let (phase, start) = self.current_phase();
        inner.marks.end.set(inner.start, at);

        let mut serving = self.serving();
        serving.finished = true;
        let end = End { outcome: outcome.clone(), phase, start, at, capture: serving.capture.take() };
        let served = serving.connection.as_ref().map(Connection::id);
        serving
            .setups
            .iter()
            .filter(|setup| served.is_none() || setup.connection_id() != served)
            .for_each(Setup::forsake);
        if serving.telling > 0 {
            serving.end = Some(end);
            return;
        }
        drop(serving);
        self.tell_end(&end);
    }

    fn tell_end(&self, end: &End) {
        let inner = &*self.0;
        let End { outcome, phase, start, at, capture } = end;
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Ok | Outcome::Cancelled { .. } => None,
        };
        if *phase != Phase::Body {
            self.tell_phases(*phase);
        }
        self.tell_phase(*phase, *start, *at, failure);

        let serving = self.serving();
        let (connection, usage) = (serving.connection.clone(), serving.usage.clone());
        let counted = serving.counted;
        drop(serving);
        // Before the head it need not have been named yet.
        if let Some(connection) = connection.as_ref().filter(|_| inner.marks.head.is_set()) {
            connection.keep(capture.as_ref());
        }
        // A connection that has gone on to another attempt is that one's affair; HTTP/2 outlives them all.
        if let Some((connection, usage)) = connection.as_ref().zip(usage).filter(|_| counted) {
            if connection.is_opaque() {
                // It may be HTTP/2: only its own end ends it.
                if !matches!(outcome, Outcome::Ok) {
                    connection.cut_unseen(failure.is_some_and(|failure| failure.kind().is_of_connection()));
                }
            } else if usage.number() == connection.uses() && !connection.is_http2() {
                let released = inner.released.load(Ordering::Acquire);
                give_reason(connection, outcome, *phase, released);
                if matches!(outcome, Outcome::Ok) && !released {
                    connection.answered(&usage);
                }
            }
        }
        inner.registry.emit(&Event::AttemptEnded { attempt: self, outcome });
        if inner.sole {
            inner.registry.emit(&Event::CallEnded { call: &inner.call, outcome });
        } else {
            inner.call.attempt_ended(&inner.registry, outcome);
        }
        match connection {
            Some(connection) if counted => connection.end_use(*at),
            None if matches!(outcome, Outcome::Ok) && !inner.registry.has_seen_connection() => {
                inner.registry.warn(StackWarning::Untracked);
            }
            _ => {}
        }
    }
}

/// An HTTP/1 connection does not outlive an attempt that was cut off on it, or not for long.
/// `released`: the retry layer has dropped the rest of the response.
fn give_reason(connection: &Connection, outcome: &Outcome, phase: Phase, released: bool) {
    match outcome {
        Outcome::Ok if !released => {}
        Outcome::Ok | Outcome::Cancelled { .. } => {
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
