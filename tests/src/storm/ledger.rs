//! Counts what has started and not ended, from the events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tower_outbound::{Event, Observer};

/// What has started and not ended. Clones share one account.
#[derive(Clone, Debug)]
pub(super) struct Ledger(Arc<Account>);

#[derive(Debug, Default)]
struct Account {
    watchdog: Duration,
    slots: AtomicI64,
    waiting: AtomicI64,
    calls: AtomicI64,
    backoffs: AtomicI64,
    active: AtomicI64,
    idle: AtomicI64,
    /// Attempts, connects and connections, by kind and number.
    open: Mutex<BTreeMap<(&'static str, u64), String>>,
    /// Attempts that the watchdog has ended.
    late: Mutex<Vec<String>>,
}

impl Ledger {
    /// Attempts that take as long as `watchdog` are remembered.
    pub(super) fn new(watchdog: Duration) -> Ledger {
        Ledger(Arc::new(Account { watchdog, ..Account::default() }))
    }

    /// The attempts that the watchdog has ended, for a person.
    pub(super) fn late(&self) -> Vec<String> {
        self.0.late.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Slots that are held.
    pub(super) fn permits(&self) -> usize {
        count(&self.0.slots)
    }

    /// The sum of the gauges. A gauge below zero counts like one above.
    pub(super) fn gauges(&self) -> usize {
        let Account { waiting, calls, backoffs, active, idle, open, .. } = &*self.0;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        let others = open.keys().filter(|(what, _)| *what != "connection").count();
        others + [waiting, calls, backoffs, active, idle].map(count).iter().sum::<usize>()
    }

    /// What has not ended, for a person.
    pub(super) fn open(&self) -> Vec<String> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|((what, id), text)| format!("{what} {id}: {text}")).collect()
    }

    /// The connects under way, and the open connections.
    fn beside(&self) -> (usize, usize) {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |kind| open.keys().filter(|(what, _)| *what == kind).count();
        (count("connect"), count("connection"))
    }

    fn start(&self, what: &'static str, id: u64, text: String) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).insert((what, id), text);
    }

    /// A connection that is left names the last request that it served.
    fn serve(&self, connection: u64, attempt: u64) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let request = open.get(&("attempt", attempt)).cloned().unwrap_or_default();
        if let Some(text) = open.get_mut(&("connection", connection)) {
            *text = format!("last served {request}");
        }
    }

    fn end(&self, what: &'static str, id: u64) -> Option<String> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&(what, id))
    }
}

fn count(gauge: &AtomicI64) -> usize {
    gauge.load(Ordering::Relaxed).unsigned_abs() as usize
}

impl Observer for Ledger {
    fn on_event(&self, event: &Event<'_>) {
        let Account { slots, waiting, calls, backoffs, active, idle, .. } = &*self.0;
        let add = |gauge: &AtomicI64, number| gauge.fetch_add(number, Ordering::Relaxed);
        match event {
            Event::CallStarted { .. } => drop(add(calls, 1)),
            Event::CallEnded { .. } => drop(add(calls, -1)),
            Event::BackoffStarted { .. } => drop(add(backoffs, 1)),
            Event::BackoffEnded { .. } => drop(add(backoffs, -1)),
            Event::SlotWaiting { .. } | Event::ConnectionWaiting { .. } => drop(add(waiting, 1)),
            Event::SlotWaited { .. } | Event::ConnectionWaited { .. } => drop(add(waiting, -1)),
            Event::SlotTaken { .. } => drop(add(slots, 1)),
            Event::SlotReturned { .. } => drop(add(slots, -1)),
            Event::AttemptStarted { attempt, request, .. } => {
                self.start("attempt", attempt.id(), format!("{} {}", request.method, request.uri));
            }
            Event::AttemptEnded { attempt, outcome, .. } => {
                let request = self.end("attempt", attempt.id()).unwrap_or_default();
                let end = attempt.end_time().unwrap_or_else(Instant::now);
                if end.saturating_duration_since(attempt.start_time()) >= self.0.watchdog {
                    let (connects, open) = self.beside();
                    let timings = attempt.timings();
                    let late = format!(
                        "{request}: {outcome:?}, {timings}; beside {connects} connects and {open} connections"
                    );
                    self.0.late.lock().unwrap_or_else(PoisonError::into_inner).push(late);
                }
            }
            Event::ConnectStarted { setup, .. } => {
                self.start("connect", setup.id(), setup.origin().to_string());
            }
            Event::ConnectEnded { setup, .. } => drop(self.end("connect", setup.id())),
            Event::ConnectionOpened { connection, .. } => {
                add(idle, 1);
                self.start("connection", connection.id(), format!("{}, unused", connection.origin()));
            }
            Event::ConnectionAssigned { connection, attempt, .. } => {
                self.serve(connection.id(), attempt.id());
            }
            Event::ConnectionActive { .. } => {
                add(idle, -1);
                add(active, 1);
            }
            Event::ConnectionIdle { .. } => {
                add(active, -1);
                add(idle, 1);
            }
            Event::ConnectionClosed { connection, closed, .. } => {
                add(if closed.was_active() { active } else { idle }, -1);
                drop(self.end("connection", connection.id()));
            }
            _ => {}
        }
    }
}
