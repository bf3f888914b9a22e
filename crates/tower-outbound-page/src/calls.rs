//! The last calls that were slow, failed or were retried.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::time::Instant;
use tower_outbound::{Attempt, Call, Connection, Outcome, Phase};

use crate::reason::Reason;

/// Attempts and waits of one call that are kept.
const MAX_PARTS: usize = 32;

/// A call that has ended.
#[derive(Debug, Serialize)]
pub(crate) struct KeptCall {
    pub(crate) id: u64,
    /// Since 1970.
    pub(crate) ended_ms: u64,
    pub(crate) total_ms: f64,
    pub(crate) outcome: String,
    pub(crate) attempts: Vec<KeptAttempt>,
    /// The waits before retries.
    pub(crate) waits: Vec<Span>,
}

impl KeptCall {
    /// How long ago the call ended.
    pub(crate) fn age_ms(&self) -> f64 {
        now_ms().saturating_sub(self.ended_ms) as f64
    }
}

/// The time since 1970.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// A part of a call; times since its start.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Span {
    pub(crate) start_ms: f64,
    pub(crate) end_ms: f64,
}

impl Span {
    fn new(call: &Call, start: Instant, end: Instant) -> Self {
        let since = |at: Instant| ms(at.saturating_duration_since(call.start()));
        Self { start_ms: since(start), end_ms: since(end) }
    }
}

/// A phase of an attempt.
#[derive(Debug, Serialize)]
pub(crate) struct KeptPhase {
    pub(crate) phase: &'static str,
    #[serde(flatten)]
    pub(crate) span: Span,
}

/// An attempt that has ended.
#[derive(Debug, Serialize)]
pub(crate) struct KeptAttempt {
    pub(crate) id: u64,
    pub(crate) method: String,
    pub(crate) origin: String,
    pub(crate) template: Option<String>,
    #[serde(flatten)]
    pub(crate) span: Span,
    pub(crate) phases: Vec<KeptPhase>,
    pub(crate) status: Option<u16>,
    /// Why the attempt counts as failed.
    pub(crate) reason: Option<Reason>,
    pub(crate) outcome: String,
    pub(crate) connection: Option<u64>,
    pub(crate) reuse: &'static str,
    pub(crate) peer: Option<SocketAddr>,
}

impl KeptAttempt {
    pub(crate) fn new(attempt: &Attempt, outcome: &Outcome, reason: Option<Reason>, at: Instant) -> Self {
        let (timings, call) = (attempt.timings(), attempt.call());
        // The phases of the setup replace the phase that contains them.
        let paid = timings.phase(Phase::Tcp).is_some();
        let shown = Phase::ALL.iter().filter(|phase| !(paid && **phase == Phase::Acquire));
        let spans = shown.filter_map(|phase| timings.span(*phase).map(|span| (*phase, span)));
        let phases = spans.map(|(phase, (start, end))| KeptPhase {
            phase: phase.as_str(),
            span: Span::new(call, start, end),
        });
        let connection = attempt.connection();
        Self {
            id: attempt.id(),
            method: attempt.method().to_string(),
            origin: attempt.origin().to_string(),
            template: attempt.template().map(|template| template.as_str().to_owned()),
            span: Span::new(call, attempt.start_time(), at),
            phases: phases.collect(),
            status: attempt.status().map(|status| status.as_u16()),
            reason,
            outcome: describe(outcome, attempt),
            connection: connection.as_ref().map(Connection::id),
            reuse: attempt.reuse().as_str(),
            peer: connection.and_then(|connection| connection.peer_addr()),
        }
    }
}

/// The status, or what went wrong and whether the request was sent.
fn describe(outcome: &Outcome, attempt: &Attempt) -> String {
    let status = attempt.status().map(|status| status.as_u16());
    match outcome {
        Outcome::Failed(failure) => {
            let sent = failure.send_state().map(|state| format!(", {state}")).unwrap_or_default();
            match failure.phase() {
                Some(phase) => format!("{} in {phase}{sent}", failure.kind()),
                None => format!("{}{sent}", failure.kind()),
            }
        }
        Outcome::Cancelled { phase, .. } => format!("cancelled in {phase}"),
        _ => status.map_or_else(|| "ok".to_owned(), |status| status.to_string()),
    }
}

pub(crate) fn ms(duration: Duration) -> f64 {
    // Three digits after the point: nobody reads more.
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// What is kept of a call while it goes on, in the call's own record.
#[derive(Debug, Default)]
pub(crate) struct OpenCall(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    attempts: Vec<KeptAttempt>,
    waits: Vec<Span>,
}

impl OpenCall {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn attempt(&self, attempt: KeptAttempt) {
        let mut parts = self.parts();
        if parts.attempts.len() < MAX_PARTS {
            parts.attempts.push(attempt);
        }
    }

    pub(crate) fn wait(&self, call: &Call, start: Instant, end: Instant) {
        let mut parts = self.parts();
        if parts.waits.len() < MAX_PARTS {
            parts.waits.push(Span::new(call, start, end));
        }
    }
}

/// The last calls of both kinds.
#[derive(Debug)]
pub(crate) struct Calls {
    slow_from: Duration,
    slow: Ring,
    troubled: Ring,
}

impl Calls {
    pub(crate) fn new(slow_from: Duration, max: usize) -> Self {
        Self { slow_from, slow: Ring::new(max), troubled: Ring::new(max) }
    }

    pub(crate) fn slow_from(&self) -> Duration {
        self.slow_from
    }

    /// Whether the end of this attempt makes its call one to keep.
    pub(crate) fn concerns(&self, attempt: &Attempt, reason: Option<Reason>, at: Instant) -> bool {
        let slow = || at.saturating_duration_since(attempt.call().start()) >= self.slow_from;
        reason.is_some_and(Reason::is_trouble) || attempt.ordinal() > 0 || slow()
    }

    /// Keeps a call that has ended.
    pub(crate) fn end(&self, call: &Call, open: &OpenCall) {
        let Parts { attempts, waits } = std::mem::take(&mut *open.parts());
        let Some(last) = attempts.last() else { return };
        let outcome = last.outcome.clone();
        let in_trouble = |attempt: &KeptAttempt| attempt.reason.is_some_and(Reason::is_trouble);
        let troubled = attempts.len() > 1 || attempts.iter().any(in_trouble);
        let kept = KeptCall {
            id: call.id(),
            ended_ms: now_ms(),
            total_ms: ms(call.start().elapsed()),
            outcome,
            attempts,
            waits,
        };
        if troubled { &self.troubled } else { &self.slow }.push(kept);
    }

    /// The slow calls, the newest one first.
    pub(crate) fn slow(&self) -> Vec<Arc<KeptCall>> {
        self.slow.newest_first()
    }

    /// The calls that failed or were retried, the newest one first.
    pub(crate) fn troubled(&self) -> Vec<Arc<KeptCall>> {
        self.troubled.newest_first()
    }
}

/// The newest calls.
#[derive(Debug)]
struct Ring {
    max: usize,
    calls: Mutex<VecDeque<Arc<KeptCall>>>,
}

impl Ring {
    fn new(max: usize) -> Self {
        Self { max, calls: Mutex::default() }
    }

    fn calls(&self) -> MutexGuard<'_, VecDeque<Arc<KeptCall>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, call: KeptCall) {
        if self.max == 0 {
            return;
        }
        let mut calls = self.calls();
        let oldest = (calls.len() >= self.max).then(|| calls.pop_front()).flatten();
        calls.push_back(Arc::new(call));
        // Without the lock.
        drop(calls);
        drop(oldest);
    }

    fn newest_first(&self) -> Vec<Arc<KeptCall>> {
        self.calls().iter().rev().cloned().collect()
    }
}
