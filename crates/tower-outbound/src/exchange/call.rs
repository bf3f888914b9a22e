//! The call: what the caller asked for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use tokio::time::Instant;

use super::slots::Slots;

/// What the caller asked for: one or more exchanges, and the pauses between them.
///
/// The outermost layer that sees a request makes it; inner layers find it in the request's extensions.
/// Clones are handles to one record.
///
/// A layer of your own that drops an inner future for a reason of its own (a timeout, say) sets the
/// [end cause](Self::set_end_cause) first: without one, a drop is the caller's cancellation.
///
/// # Example
/// ```
/// # use tower_outbound::{Call, EndCause};
/// let call = Call::new();
/// let mut request = http::Request::get("http://localhost/").body(()).unwrap();
/// request.extensions_mut().insert(call.clone());
/// call.set_end_cause(EndCause::AttemptTimeout);
/// assert_eq!(call.end_cause(), Some(EndCause::AttemptTimeout));
/// ```
#[derive(Clone)]
pub struct Call(Arc<Inner>);

struct Inner {
    id: u64,
    start: Instant,
    exchanges: AtomicU32,
    end_cause: AtomicU8,
    slots: Slots,
}

/// Why a layer dropped the future below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndCause {
    /// The call's deadline has passed.
    DeadlineElapsed,
    /// The attempt took longer than it may.
    AttemptTimeout,
    /// The response was released so that the request can be sent again.
    ReleasedByRetry,
}

impl Call {
    /// A call that starts now.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            start: Instant::now(),
            exchanges: AtomicU32::new(0),
            end_cause: AtomicU8::new(0),
            slots: Slots::default(),
        }))
    }

    /// Unique within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// When the call started.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.0.start
    }

    /// How many exchanges it has had so far.
    #[must_use]
    pub fn exchanges(&self) -> u32 {
        self.0.exchanges.load(Ordering::Relaxed)
    }

    /// Counts an exchange; returns its ordinal, 0 for the first.
    pub(crate) fn begin_exchange(&self) -> u32 {
        self.0.exchanges.fetch_add(1, Ordering::Relaxed)
    }

    /// Why a layer ended what is below it; `None` is the caller's own doing.
    #[must_use]
    pub fn end_cause(&self) -> Option<EndCause> {
        match self.0.end_cause.load(Ordering::Acquire) {
            1 => Some(EndCause::DeadlineElapsed),
            2 => Some(EndCause::AttemptTimeout),
            3 => Some(EndCause::ReleasedByRetry),
            _ => None,
        }
    }

    /// To be called before dropping the inner future or response.
    pub fn set_end_cause(&self, cause: EndCause) {
        let code = match cause {
            EndCause::DeadlineElapsed => 1,
            EndCause::AttemptTimeout => 2,
            EndCause::ReleasedByRetry => 3,
        };
        self.0.end_cause.store(code, Ordering::Release);
    }

    /// To be called before the next exchange of the call.
    pub fn clear_end_cause(&self) {
        self.0.end_cause.store(0, Ordering::Release);
    }

    observer_state!();
}

impl Default for Call {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id())
            .field("exchanges", &self.exchanges())
            .field("end_cause", &self.end_cause())
            .finish_non_exhaustive()
    }
}
