//! How much of a request has gone out: what the IO of an HTTP/1 connection has seen, and what follows from it.
//!
//! What is said to be unsent must stay so while the connection's task runs on another thread. So the one word
//! that counts the bytes can be sealed: then the connection refuses to begin with the request.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

use super::Attempt;
use crate::failure::SendState;
use crate::record::{Connection, Protocol};

/// Orders what clients take and what connections write, over all threads; a clock may stand still.
static ORDER: AtomicU64 = AtomicU64::new(1);

/// The next place in the order, never 0.
pub(crate) fn tick() -> u64 {
    ORDER.fetch_add(1, Ordering::AcqRel)
}

/// No write has returned anything but pending.
const UNTOUCHED: u64 = 0;
/// The first write is under way.
const UNDER_WAY: u64 = 1;
/// That many more than bytes were written.
const WRITTEN: u64 = 2;
const SEALED: u64 = u64::MAX;

/// What an HTTP/1 connection has written of a request, and what became of its body.
#[derive(Debug, Default)]
pub(in crate::record) struct Wire {
    progress: AtomicU64,
    /// All of it was written and flushed.
    whole: AtomicBool,
    /// A connection has begun a turn with it.
    turn: AtomicBool,
    /// When a client took it, by [`tick`]; 0 while none has.
    taken: AtomicU64,
    /// Somebody else than a client has read or dropped the body: it will not tell of the sending.
    astray: AtomicBool,
    /// What a client that follows redirects has done with it.
    entrusted: AtomicU8,
}

/// A client that follows redirects has it, and nothing has touched its body yet.
const UNTOUCHED_BODY: u8 = 1;
/// So its request may have been answered, and another one sent.
#[cfg(feature = "reqwest")]
const TOUCHED_BODY: u8 = 2;

impl Attempt {
    /// A client takes the request. The first time counts: its stream is opened no earlier.
    pub(in crate::record) fn take(&self) {
        let taken = &self.0.wire.taken;
        if taken.load(Ordering::Acquire) == 0 {
            let _ = taken.compare_exchange(0, tick(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Whether the peer's GOAWAY leaves its stream out. The error alone does not say so: hyper gives it also to a
    /// stream that the GOAWAY includes. Ids ascend, so what was taken after the last included stream went out is beyond it.
    fn is_beyond_goaway(&self, connection: &Connection) -> bool {
        let taken = self.0.wire.taken.load(Ordering::Acquire);
        connection.goaway_after().is_some_and(|last| taken > last)
    }

    /// The connection is about to make the first write of the request; `false` if it must not.
    pub(crate) fn claim_write(&self) -> bool {
        let progress = &self.0.wire.progress;
        match progress.compare_exchange(UNTOUCHED, UNDER_WAY, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) | Err(UNDER_WAY) => true,
            Err(SEALED) => false,
            // Another connection has written of it before.
            Err(_) => {
                progress.store(WRITTEN, Ordering::Release);
                true
            }
        }
    }

    /// The first write could not be made yet.
    pub(crate) fn unclaim_write(&self) {
        let progress = &self.0.wire.progress;
        let _ = progress.compare_exchange(UNDER_WAY, UNTOUCHED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// A write has returned: so many bytes, or 0 for an error. Only the connection's task calls it.
    pub(in crate::record) fn count_wire(&self, bytes: u64) {
        let progress = &self.0.wire.progress;
        let before = progress.load(Ordering::Acquire);
        if before != SEALED {
            self.0.wire.whole.store(false, Ordering::Release);
            progress.store((before.max(WRITTEN) + bytes).min(SEALED - 1), Ordering::Release);
        }
    }

    /// Everything that the client had to write was flushed. Says whether that was the whole request.
    pub(crate) fn flushed(&self) -> bool {
        let whole = self.is_request_done();
        if whole {
            self.0.wire.whole.store(true, Ordering::Release);
        }
        whole
    }

    pub(in crate::record) fn take_turn(&self) {
        self.0.wire.turn.store(true, Ordering::Release);
    }

    /// Another connection serves it than the one that took the turn.
    pub(in crate::record) fn lose_turn(&self) {
        self.0.wire.turn.store(false, Ordering::Release);
    }

    /// The body was read or dropped before a client has asked for it.
    pub(crate) fn body_astray(&self) {
        if !self.0.marks.taken.is_set() {
            self.0.wire.astray.store(true, Ordering::Release);
        }
    }

    /// A client that follows redirects gets the request; whatever it does with the body, [`touch`](Self::touch) is told.
    #[cfg(feature = "reqwest")]
    pub(crate) fn entrust(&self) {
        let entrusted = &self.0.wire.entrusted;
        let _ = entrusted.compare_exchange(0, UNTOUCHED_BODY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// That client asks for the body.
    #[cfg(feature = "reqwest")]
    pub(crate) fn touch(&self) {
        self.0.wire.entrusted.store(TOUCHED_BODY, Ordering::Release);
    }

    /// Whether it is certain that a client that follows redirects has not begun with the request.
    pub(crate) fn is_untouched(&self) -> bool {
        self.0.wire.entrusted.load(Ordering::Acquire) == UNTOUCHED_BODY
    }

    /// Whether it was said of the request that it was not sent.
    pub(crate) fn is_sealed(&self) -> bool {
        // Against `send_state`: one of the two sees what the other has done.
        fence(Ordering::SeqCst);
        self.0.wire.progress.load(Ordering::Acquire) == SEALED
    }

    /// What is certain of the request, now that the attempt fails; from here on nothing goes out that was
    /// said to be unsent. `evidence` is what the error itself proves; `goaway` says that it is the peer's GOAWAY.
    pub(crate) fn send_state(&self, evidence: Option<SendState>, goaway: bool) -> SendState {
        let wire = &self.0.wire;
        let sealing = wire.progress.compare_exchange(UNTOUCHED, SEALED, Ordering::AcqRel, Ordering::Acquire);
        fence(Ordering::SeqCst);
        let connection = self.connection();
        let http2 = connection.as_ref().is_some_and(Connection::is_http2);
        match sealing {
            Err(progress) if !http2 && progress != SEALED => {
                let whole = wire.whole.load(Ordering::Acquire);
                let partial = SendState::Partial(progress.saturating_sub(WRITTEN));
                return if whole { SendState::Sent } else { partial };
            }
            _ => {}
        }
        let taken = self.0.marks.taken.is_set();
        let blocked = !http2 && wire.turn.load(Ordering::Acquire);
        match evidence {
            // A response has come, so the request was received.
            _ if self.status().is_some() => SendState::Unknown,
            // The stream's own error: only HTTP/2 has it.
            Some(SendState::NotProcessed) => SendState::NotProcessed,
            _ if http2 && goaway && connection.as_ref().is_some_and(|one| self.is_beyond_goaway(one)) => {
                SendState::NotProcessed
            }
            Some(SendState::NotSent) if !taken => SendState::NotSent,
            _ if self.is_queued() => SendState::NotSent,
            _ if blocked => SendState::NotSent,
            _ if connection.is_none() && !taken && self.obeys_the_seal() => SendState::NotSent,
            _ => SendState::Unknown,
        }
    }

    /// Whether every connection that might have got the request asks before it writes: tracked, HTTP/1, and
    /// the body still there to be asked.
    fn obeys_the_seal(&self) -> bool {
        let tracked =
            self.serving().setups.iter().any(|setup| setup.is_tracked() && setup.origin() == self.origin());
        let asks = tracked && !self.0.wire.astray.load(Ordering::Acquire);
        asks && self.0.registry.connections().iter().all(|connection| {
            connection.origin() != self.origin() || connection.protocol() == Some(Protocol::Http1)
        })
    }
}
