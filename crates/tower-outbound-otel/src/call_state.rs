//! What the observer keeps in a call whose request may be sent more than once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use tower_outbound::Origin;

/// The caller's context, and what its attempts have come to.
#[derive(Debug)]
pub(crate) struct CallState {
    /// Taken by the end, so that what is kept of a call does not keep the caller's context.
    caller: Mutex<Option<Context>>,
    first: OnceLock<SpanContext>,
    origin: OnceLock<Origin>,
    /// The last answer was an error.
    failed: AtomicBool,
    /// Nanoseconds in pauses, and how many there were.
    waited: AtomicU64,
    pauses: AtomicU64,
}

impl CallState {
    pub(crate) fn new(caller: Context) -> Self {
        Self {
            caller: Mutex::new(Some(caller)),
            first: OnceLock::new(),
            origin: OnceLock::new(),
            failed: AtomicBool::new(false),
            waited: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
        }
    }

    /// What an attempt's span is a child of: the caller's, wherever the retry is made from. Where the caller has no
    /// span, retries are children of the first attempt, so that they share its trace.
    pub(crate) fn parent(&self) -> Context {
        let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let caller = caller.unwrap_or_else(Context::current);
        match self.first.get() {
            Some(first) if !caller.span().span_context().is_valid() => {
                caller.with_remote_span_context(first.clone())
            }
            _ => caller,
        }
    }

    pub(crate) fn attempt_started(&self, span: &SpanContext, origin: &Origin) {
        self.first.get_or_init(|| span.clone());
        self.origin.get_or_init(|| origin.clone());
        self.answered(false);
    }

    pub(crate) fn answered(&self, failed: bool) {
        self.failed.store(failed, Ordering::Relaxed);
    }

    pub(crate) fn waited(&self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.waited.fetch_add(nanos, Ordering::Relaxed);
        self.pauses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.get()
    }

    /// Whether the last attempt was answered with an error.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The pauses together; `None` where there was none. The call is over.
    pub(crate) fn end(&self) -> Option<Duration> {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        let waited = Duration::from_nanos(self.waited.load(Ordering::Relaxed));
        (self.pauses.load(Ordering::Relaxed) > 0).then_some(waited)
    }
}
