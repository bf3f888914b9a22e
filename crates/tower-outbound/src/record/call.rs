//! The call: what the caller asked for.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

use super::ObserverStates;
use crate::event::{Event, Outcome, log};
use crate::failure::{Kind, Phase};
use crate::record::{Attempt, Deadline, Registry, RetryReason, TimeSplit};

/// What the caller asked for: one or more attempts, and the pauses between them.
///
/// The outermost layer creates the call; inner layers find it in the request's extensions.
/// Clones are handles to one record.
#[derive(Clone)]
pub struct Call(Arc<Inner>);

struct Inner<T: ?Sized = dyn Send + Sync> {
    id: u64,
    start: Instant,
    attempts: AtomicU32,
    end_cause: AtomicU8,
    /// Nanoseconds after the start; `u64::MAX` without a deadline.
    deadline: AtomicU64,
    /// As `deadline`, of the retries alone.
    retry_deadline: AtomicU64,
    /// Nanoseconds that the connects of the call may still take together; `u64::MAX` without a limit.
    connect_left: AtomicU64,
    /// A layer above observe emits the start and the end.
    claimed: AtomicBool,
    /// The attempt in flight is the last one: the call ends with it.
    last: AtomicBool,
    ended: AtomicBool,
    /// Attempts that have ended and whose end is still to be emitted.
    unreported: AtomicU32,
    /// The end of the call, if it waits for these.
    late_end: OnceLock<Box<Outcome>>,
    /// The phase in which the last attempt was cancelled or cut by the deadline, and the retry reason: the position in the
    /// list plus 1.
    cut_in: AtomicU8,
    retry: AtomicU8,
    backoff: AtomicU64,
    /// How the attempts before the last one spent their time, of a call with a deadline.
    earlier: Mutex<Vec<TimeSplit>>,
    observer_states: ObserverStates,
    /// State of the layer that makes the call, inline to save an allocation. Written in place, since it may be large.
    storage: T,
}

/// A typed handle to the state that a layer stores inside a call's allocation.
///
/// The storage lives as long as any handle to the call. A layer empties the storage to release its contents earlier.
pub(crate) struct CallStorage<T>(Arc<Inner<T>>);

impl<T> Deref for CallStorage<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.storage
    }
}

/// The handle reaches only `T`, not the state that observers attach to the call. `T` guards its parts with locks.
impl<T> UnwindSafe for CallStorage<T> {}
impl<T> RefUnwindSafe for CallStorage<T> {}

impl<T> Clone for CallStorage<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A connect for which no time is left: zero would be no timeout.
const SHORTEST_CONNECT: Duration = Duration::from_millis(1);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Why a layer dropped the future below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EndCause {
    /// The attempt timed out.
    AttemptTimeout,
    /// The response was released before a retry.
    ReleasedByRetry,
}

impl Call {
    /// A call that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self(Inner::<()>::new())
    }

    /// A call that starts now, with a `T` stored inside its allocation.
    pub(crate) fn with_storage<T: Default + Send + Sync + 'static>() -> (Self, CallStorage<T>) {
        let inner = Inner::<T>::new();
        (Self(inner.clone()), CallStorage(inner))
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

    /// The number of attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.0.attempts.load(Ordering::Relaxed)
    }

    /// Counts an attempt. Returns its ordinal, 0 for the first.
    pub(crate) fn begin_attempt(&self) -> u32 {
        self.0.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// Call this in a timeout layer of your own before it drops the attempt: the attempt then ends with
    /// [`response_timeout`](crate::Kind::ResponseTimeout), not as cancelled by the caller.
    ///
    /// Not needed with [`Timeouts`](crate::timeouts::Timeouts).
    ///
    /// # Example
    /// ```
    /// # use tower_outbound::Call;
    /// let call = Call::new();
    /// let mut request = http::Request::get("http://localhost/").body(()).unwrap();
    /// request.extensions_mut().insert(call.clone());
    /// // … call the service; when the timeout has elapsed, before dropping the future:
    /// call.attempt_timed_out();
    /// ```
    pub fn attempt_timed_out(&self) {
        self.set_end_cause(EndCause::AttemptTimeout);
    }

    /// Why a layer dropped the future below it; `None` for a drop by the caller.
    pub(crate) fn end_cause(&self) -> Option<EndCause> {
        match self.0.end_cause.load(Ordering::Acquire) {
            2 => Some(EndCause::AttemptTimeout),
            3 => Some(EndCause::ReleasedByRetry),
            _ => None,
        }
    }

    /// Call this before dropping the inner future or response.
    pub(crate) fn set_end_cause(&self, cause: EndCause) {
        let code = match cause {
            EndCause::AttemptTimeout => 2,
            EndCause::ReleasedByRetry => 3,
        };
        self.0.end_cause.store(code, Ordering::Release);
    }

    /// Call this before the next attempt of the call.
    pub(crate) fn clear_end_cause(&self) {
        self.0.end_cause.store(0, Ordering::Release);
    }

    /// Sets the [deadline](crate::Deadline). A later deadline than the current one has no effect.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use tower_outbound::Call;
    /// # use tokio::time::Instant;
    /// let mut request = http::Request::get("http://localhost/").body(()).unwrap();
    /// let deadline = Instant::now() + Duration::from_secs(2);
    /// request.extensions_mut().insert(Call::new().with_deadline(deadline));
    /// ```
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        self.end_by(deadline);
        self
    }

    /// As [`with_deadline`](Self::with_deadline), of a call that has begun.
    pub(crate) fn end_by(&self, deadline: Instant) {
        self.0.deadline.fetch_min(self.after_start(deadline), Ordering::AcqRel);
    }

    /// Takes over the deadline of the request and that of the current scope.
    pub(crate) fn take_deadlines(&self, extensions: &Extensions) {
        for deadline in [extensions.get::<Deadline>().copied(), Deadline::current()].into_iter().flatten() {
            self.end_by(deadline.instant());
        }
    }

    /// No retry follows after this instant. Attempts are not cut.
    #[cfg(feature = "reqwest")]
    pub(crate) fn end_retries_by(&self, deadline: Instant) {
        self.0.retry_deadline.fetch_min(self.after_start(deadline), Ordering::AcqRel);
    }

    /// In nanoseconds.
    fn after_start(&self, deadline: Instant) -> u64 {
        let after = deadline.saturating_duration_since(self.0.start);
        u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)
    }

    fn instant(&self, after_start: &AtomicU64) -> Option<Instant> {
        let after = after_start.load(Ordering::Acquire);
        (after != u64::MAX).then(|| self.0.start + Duration::from_nanos(after))
    }

    /// The deadline, if there is one.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.instant(&self.0.deadline)
    }

    /// After this instant no attempt can begin, if there is such an instant.
    pub(crate) fn attempts_end(&self) -> Option<Instant> {
        let Inner { deadline, retry_deadline, .. } = &*self.0;
        self.instant(deadline).into_iter().chain(self.instant(retry_deadline)).min()
    }

    /// Whether the deadline passes within this time.
    pub(crate) fn has_to_end_within(&self, time: Duration) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= Instant::now() + time)
    }

    /// A retry follows this attempt: keeps how it spent its time, in case the deadline strikes later.
    pub(crate) fn keep_split(&self, attempt: &Attempt) {
        if self.attempts_end().is_some() {
            let split = TimeSplit::of(attempt, Instant::now());
            self.0.earlier.lock().unwrap_or_else(PoisonError::into_inner).push(split);
        }
    }

    /// How the attempts before a retry spent their time.
    pub(crate) fn earlier_attempts(&self) -> Vec<TimeSplit> {
        self.0.earlier.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connect for the call begins, with this timeout; zero is none. Returns the timeout that leaves the connects of the
    /// call within one timeout and a half.
    pub(crate) fn begin_connect(&self, timeout: Duration) -> Duration {
        if timeout.is_zero() {
            timeout
        } else {
            self.bound_connects(timeout).clamp(SHORTEST_CONNECT, timeout)
        }
    }

    /// A connect has failed after this time. Returns the time left for further ones; `None` without a limit. `timeout`: that
    /// of connects that this stack does not see.
    pub(crate) fn connect_failed(&self, after: Duration, timeout: Duration) -> Option<Duration> {
        if self.bound_connects(timeout) == Duration::MAX {
            return None;
        }
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let left = |left: u64| Some(left.saturating_sub(after));
        let before = self.0.connect_left.fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
        Some(Duration::from_nanos(before.unwrap_or_default().saturating_sub(after)))
    }

    /// The time left for further connects, if one has failed or begun.
    #[cfg(feature = "tonic-channel")]
    pub(crate) fn connect_left(&self) -> Option<Duration> {
        let left = self.0.connect_left.load(Ordering::Acquire);
        (left != u64::MAX).then(|| Duration::from_nanos(left).max(SHORTEST_CONNECT))
    }

    fn bound_connects(&self, timeout: Duration) -> Duration {
        let bound = timeout.saturating_mul(3) / 2;
        let bound =
            Some(bound.as_nanos()).filter(|bound| *bound > 0).and_then(|bound| u64::try_from(bound).ok());
        let bound = bound.unwrap_or(u64::MAX);
        match self.0.connect_left.fetch_min(bound, Ordering::AcqRel).min(bound) {
            u64::MAX => Duration::MAX,
            left => Duration::from_nanos(left),
        }
    }

    /// The reason for the current (or last) attempt and the wait before it, if it is a retry; `None` for the first
    /// attempt.
    #[must_use]
    pub fn retry_cause(&self) -> Option<(RetryReason, Duration)> {
        let at = self.0.retry.load(Ordering::Acquire).checked_sub(1)?;
        let reason = RetryReason::ALL.get(usize::from(at))?;
        Some((*reason, Duration::from_nanos(self.0.backoff.load(Ordering::Acquire))))
    }

    pub(crate) fn retried(&self, reason: RetryReason, backoff: Duration) {
        let at = RetryReason::ALL.iter().position(|each| *each == reason).unwrap_or_default();
        let backoff = u64::try_from(backoff.as_nanos()).unwrap_or(u64::MAX);
        self.0.backoff.store(backoff, Ordering::Release);
        self.0.retry.store(u8::try_from(at + 1).unwrap_or_default(), Ordering::Release);
    }

    /// Whether a layer above observe created the call, so that it may have more than one attempt.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.0.claimed.load(Ordering::Acquire)
    }

    /// Claims the start and end events of the call. `true` for the first claim.
    pub(crate) fn claim(&self) -> bool {
        !self.0.claimed.swap(true, Ordering::AcqRel)
    }

    /// The attempt in flight is the last one.
    pub(crate) fn mark_last(&self) {
        self.0.last.store(true, Ordering::Release);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// Emits the end of the call, once, and after the ends of its attempts.
    pub(crate) fn end(&self, registry: &Registry, outcome: &Outcome) {
        let waits = || self.0.unreported.load(Ordering::SeqCst) > 0;
        if waits() {
            let _ = self.0.late_end.set(Box::new(outcome.clone()));
            // Unless the last end was emitted meanwhile.
            if waits() {
                return;
            }
        }
        self.emit_end(registry, outcome);
    }

    fn emit_end(&self, registry: &Registry, outcome: &Outcome) {
        if !self.0.ended.swap(true, Ordering::AcqRel) {
            let retried = self.retry_cause().is_some();
            if let (Outcome::Failed(failure), true) = (outcome, retried) {
                log::failed_after_retries(self, failure);
            }
            registry.emit(&Event::CallEnded { call: self, outcome });
        }
    }

    /// An attempt of the call has ended, and its end will be emitted.
    pub(in crate::record) fn attempt_ends(&self, outcome: &Outcome) {
        let phase = match outcome {
            Outcome::Cancelled { phase } => Some(*phase),
            Outcome::Failed(failure) if failure.kind() == Kind::DeadlineExceeded => failure.phase(),
            _ => None,
        };
        if let Some(phase) = phase {
            let at = Phase::ALL.iter().position(|each| *each == phase).unwrap_or_default();
            self.0.cut_in.store(u8::try_from(at + 1).unwrap_or_default(), Ordering::Release);
        }
    }

    /// The end of that attempt is emitted later, by another thread: [`late_attempt_ended`](Self::late_attempt_ended) follows.
    pub(in crate::record) fn attempt_end_waits(&self) {
        self.0.unreported.fetch_add(1, Ordering::SeqCst);
    }

    pub(in crate::record) fn late_attempt_ended(&self, registry: &Registry) {
        if self.0.unreported.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        if let Some(outcome) = self.0.late_end.get() {
            self.emit_end(registry, outcome);
        }
    }

    /// The end of an attempt of the call was emitted.
    pub(in crate::record) fn attempt_ended(&self, registry: &Registry, outcome: &Outcome) {
        if self.0.last.load(Ordering::Acquire) {
            self.end(registry, outcome);
        }
    }

    /// The phase in which the last attempt was cancelled, or cut by the deadline.
    pub(crate) fn cut_in(&self) -> Option<Phase> {
        let at = self.0.cut_in.load(Ordering::Acquire).checked_sub(1)?;
        Phase::ALL.get(usize::from(at)).copied()
    }

    pub(in crate::record) fn states(&self) -> &ObserverStates {
        &self.0.observer_states
    }

    observer_state!();
}

impl<T: Default> Inner<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            start: Instant::now(),
            attempts: AtomicU32::new(0),
            end_cause: AtomicU8::new(0),
            deadline: AtomicU64::new(u64::MAX),
            retry_deadline: AtomicU64::new(u64::MAX),
            connect_left: AtomicU64::new(u64::MAX),
            claimed: AtomicBool::new(false),
            last: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            unreported: AtomicU32::new(0),
            late_end: OnceLock::new(),
            cut_in: AtomicU8::new(0),
            retry: AtomicU8::new(0),
            backoff: AtomicU64::new(0),
            earlier: Mutex::default(),
            observer_states: ObserverStates::default(),
            storage: T::default(),
        })
    }
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
            .field("attempts", &self.attempts())
            .field("end_cause", &self.end_cause())
            .finish_non_exhaustive()
    }
}
