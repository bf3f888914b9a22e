//! Instants of a record, written by the caller's task and by the connection's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// An instant, stored as nanoseconds since the record's start; 0 is "not set".
#[derive(Debug, Default)]
pub(in crate::record) struct Mark(AtomicU64);

impl Mark {
    #[inline]
    pub(in crate::record) fn get(&self, start: Instant) -> Option<Instant> {
        self.since().map(|since| start + since)
    }

    /// The time from the record's start to the instant.
    #[inline]
    pub(in crate::record) fn since(&self) -> Option<Duration> {
        self.nanos().map(Duration::from_nanos)
    }

    /// The same in nanoseconds.
    #[inline]
    pub(in crate::record) fn nanos(&self) -> Option<u64> {
        self.0.load(Ordering::Acquire).checked_sub(1)
    }

    /// Sets or moves the instant.
    #[inline]
    pub(in crate::record) fn set(&self, start: Instant, at: Instant) {
        self.0.store(encode(start, at), Ordering::Release);
    }

    /// Sets the instant unless it is set. Returns whether it did.
    #[inline]
    pub(in crate::record) fn set_once(&self, start: Instant, at: Instant) -> bool {
        self.0.compare_exchange(0, encode(start, at), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Sets the instant to that of another mark of the record.
    #[inline]
    pub(in crate::record) fn copy(&self, of: &Self) {
        self.0.store(of.0.load(Ordering::Acquire), Ordering::Release);
    }

    #[inline]
    pub(in crate::record) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }

    #[inline]
    pub(in crate::record) fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }
}

#[inline]
fn encode(start: Instant, at: Instant) -> u64 {
    let nanos = at.saturating_duration_since(start).as_nanos();
    u64::try_from(nanos).unwrap_or(u64::MAX - 1).saturating_add(1)
}

/// The marks of an attempt, in the order in which they are usually set.
#[derive(Debug, Default)]
pub(in crate::record) struct Marks {
    /// The attempt waits for a slot of our own limits.
    pub(in crate::record) queued: Mark,
    /// The attempt has a slot.
    pub(in crate::record) slot: Mark,
    /// A request that was sent later was served first.
    pub(in crate::record) overtaken: Mark,
    /// The client accepted the request: it asked for the body.
    pub(in crate::record) accepted: Mark,
    /// The first write of the request.
    pub(in crate::record) send_start: Mark,
    /// The last write of the request so far.
    pub(in crate::record) send_end: Mark,
    /// Since when the client has a part of the body that it has not sent; cleared while the client waits for the body.
    pub(in crate::record) buffered: Mark,
    /// Since when the socket accepts no byte of the request; cleared when it does.
    pub(in crate::record) blocked: Mark,
    /// The client took the whole body.
    pub(in crate::record) body_sent: Mark,
    /// The first byte of the response.
    pub(in crate::record) first_byte: Mark,
    /// The response was returned to the caller.
    pub(in crate::record) head: Mark,
    /// The attempt has ended.
    pub(in crate::record) end: Mark,
}
