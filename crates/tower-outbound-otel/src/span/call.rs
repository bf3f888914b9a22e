//! The observer's state in a call that may be retried.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::SpanContext;
use tower_outbound::Origin;

/// The caller's context, the first attempt's span, and the last response.
#[derive(Debug)]
pub(crate) struct CallState {
    /// Taken at the end: a call that is kept must not hold the caller's context.
    caller: Mutex<Option<Context>>,
    /// The span of the first attempt, and the origin.
    first: OnceLock<(SpanContext, Origin)>,
    /// The last response was an error.
    failed: AtomicBool,
    /// Nanoseconds of backoff.
    waited: AtomicU64,
    backoffs: AtomicU64,
}

impl CallState {
    pub(crate) fn new(caller: Context) -> Self {
        Self {
            caller: Mutex::new(Some(caller)),
            first: OnceLock::new(),
            failed: AtomicBool::new(false),
            waited: AtomicU64::new(0),
            backoffs: AtomicU64::new(0),
        }
    }

    pub(crate) fn caller(&self) -> Context {
        let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        caller.unwrap_or_else(Context::current)
    }

    /// The span of the first attempt; `None` before.
    pub(crate) fn first(&self) -> Option<&SpanContext> {
        self.first.get().map(|(span, _)| span)
    }

    pub(crate) fn attempt_started(&self, span: &SpanContext, origin: &Origin) {
        self.first.get_or_init(|| (span.clone(), origin.clone()));
        self.responded(false);
    }

    pub(crate) fn responded(&self, failed: bool) {
        self.failed.store(failed, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, backoff: Duration) {
        let nanos = u64::try_from(backoff.as_nanos()).unwrap_or(u64::MAX);
        self.waited.fetch_add(nanos, Ordering::Relaxed);
        self.backoffs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.first.get().map(|(_, origin)| origin)
    }

    /// Whether the last response was an error.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Ends the call. Returns the sum of its backoffs; `None` if there was none.
    pub(crate) fn end(&self) -> Option<Duration> {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        let waited = Duration::from_nanos(self.waited.load(Ordering::Relaxed));
        (self.backoffs.load(Ordering::Relaxed) > 0).then_some(waited)
    }
}
