//! Instants of an attempt, written from the caller's task and from the connection's.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// One instant, stored as nanoseconds since the record's start; 0 is "not yet".
#[derive(Debug, Default)]
pub(crate) struct Mark(AtomicU64);

impl Mark {
    pub(crate) fn get(&self, start: Instant) -> Option<Instant> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(start + std::time::Duration::from_nanos(nanos - 1)),
        }
    }

    /// Sets or moves the instant.
    pub(crate) fn set(&self, start: Instant, at: Instant) {
        self.0.store(encode(start, at), Ordering::Release);
    }

    /// Sets the instant if it is not set; says whether it did.
    pub(crate) fn set_once(&self, start: Instant, at: Instant) -> bool {
        self.0.compare_exchange(0, encode(start, at), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }
}

fn encode(start: Instant, at: Instant) -> u64 {
    let nanos = at.saturating_duration_since(start).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX - 1).saturating_add(1)
}

/// The cumulative marks of an attempt, in the order in which they pass.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Since when it waits for a slot of our own limits.
    pub(crate) queued: Mark,
    /// It had a slot.
    pub(crate) slot: Mark,
    /// The client took the request (it asked whether the body is empty).
    pub(crate) taken: Mark,
    /// The first write of the request.
    pub(crate) send_start: Mark,
    /// The last write of the request so far.
    pub(crate) send_end: Mark,
    /// Since when the client asks for no more of the request's body than it has; cleared while it waits for more.
    pub(crate) given: Mark,
    /// Since when the peer's side takes no byte of the request; cleared when it does.
    pub(crate) blocked: Mark,
    /// The request's body was handed over whole.
    pub(crate) body_sent: Mark,
    /// The first byte of the response.
    pub(crate) first_byte: Mark,
    /// The response was handed to the caller.
    pub(crate) head: Mark,
    /// The attempt is over.
    pub(crate) end: Mark,
}
