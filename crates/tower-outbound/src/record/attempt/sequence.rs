use std::sync::atomic::{AtomicU64, Ordering};

/// Orders what clients accept and what connections write, across all threads. A clock may return the same instant twice.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The next sequence number, never 0.
pub(crate) fn next_sequence() -> u64 {
    NEXT.fetch_add(1, Ordering::AcqRel)
}
