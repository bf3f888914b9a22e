//! An observer that records its events and checks that every start has one end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use tokio::sync::Notify;
use tower_outbound::event::ConnectResult;
use tower_outbound::{Attempt, Event, Observer, Outcome, Phase, Timings};

use crate::secret;

/// Records events; clones share one record.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    record: Mutex<Record>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Record {
    names: Vec<String>,
    counts: BTreeMap<String, i64>,
    open: BTreeMap<(&'static str, u64), i64>,
    faults: Vec<String>,
    over: std::collections::BTreeSet<(&'static str, u64)>,
    active: i64,
    idle: i64,
    slots: Slots,
    ended: Vec<Timings>,
    closed: Vec<&'static str>,
    phases: Vec<(Phase, &'static str)>,
    outcomes: Vec<String>,
}

/// The slots of an in-flight limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// Slots held now.
    pub held: i64,
    /// The largest number of slots held at once.
    pub most: i64,
    /// Requests waiting now.
    pub waiting: i64,
    /// Origins with a limit now.
    pub origins: i64,
}

impl Recorder {
    /// An empty recorder.
    #[must_use]
    pub fn new() -> Recorder {
        secret::watch_log();
        Recorder::default()
    }

    /// The names of all events, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.record().names.clone()
    }

    /// The number of events with this name.
    #[must_use]
    pub fn count(&self, name: &str) -> i64 {
        self.record().counts.get(name).copied().unwrap_or_default()
    }

    /// The timings of the ended attempts, in the order of their ends.
    #[must_use]
    pub fn timings(&self) -> Vec<Timings> {
        self.record().ended.clone()
    }

    /// How the attempts ended: `ok`, `cancelled in PHASE` or `KIND in PHASE`.
    #[must_use]
    pub fn outcomes(&self) -> Vec<String> {
        self.record().outcomes.clone()
    }

    /// The close reasons of connections, in order.
    #[must_use]
    pub fn close_reasons(&self) -> Vec<&'static str> {
        self.record().closed.clone()
    }

    /// The ended phases, in order, each with `ok` or the kind of its failure.
    #[must_use]
    pub fn phases(&self) -> Vec<(Phase, &'static str)> {
        self.record().phases.clone()
    }

    /// The numbers of active and of idle connections.
    #[must_use]
    pub fn gauges(&self) -> (i64, i64) {
        let record = self.record();
        (record.active, record.idle)
    }

    /// The slots, summed over all limits and origins.
    #[must_use]
    pub fn slots(&self) -> Slots {
        self.record().slots
    }

    /// Waits until `done` holds for this recorder.
    pub async fn wait_until(&self, done: impl Fn(&Recorder) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if done(self) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until every start has its end and all gauges are 0.
    pub async fn settled(&self) {
        self.wait_until(Recorder::is_settled).await;
        self.assert_balanced();
    }

    fn is_settled(&self) -> bool {
        let record = self.record();
        record.open.values().all(|open| *open == 0)
            && (record.active, record.idle, record.slots.held, record.slots.waiting) == (0, 0, 0, 0)
    }

    /// Fails unless every start has exactly one end and all gauges are 0.
    #[track_caller]
    pub fn assert_balanced(&self) {
        self.assert_no_faults();
        let record = self.record();
        let open: Vec<_> = record.open.iter().filter(|(_, open)| **open != 0).collect();
        assert!(open.is_empty(), "not ended: {open:?}, after {:?}", record.names);
        assert_eq!((record.active, record.idle), (0, 0), "active and idle connections");
        assert_eq!((record.slots.held, record.slots.waiting), (0, 0), "slots held and waited for");
    }

    /// Fails if an end came without a start or twice, or an event had a secret in it.
    #[track_caller]
    pub fn assert_no_faults(&self) {
        let record = self.record();
        assert!(record.faults.is_empty(), "{:?}", record.faults);
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.shared.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Recorder {
    fn on_event(&self, event: &Event<'_>) {
        let text = format!("{event:?}");
        let mut record = self.record();
        if secret::is_in(&text) {
            record.faults.push(format!("a secret in {text}"));
        }
        let name = text.split([' ', '{']).next().unwrap_or_default().to_owned();
        *record.counts.entry(name.clone()).or_default() += 1;
        record.names.push(name);
        record.add(event);
        drop(record);
        self.shared.changed.notify_waiters();
    }

    fn on_request(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        let _ = (attempt, headers);
        let mut record = self.record();
        *record.counts.entry("on_request".to_owned()).or_default() += 1;
        record.names.push("on_request".to_owned());
    }
}

impl Record {
    fn add(&mut self, event: &Event<'_>) {
        match event {
            Event::CallStarted { call, .. } => self.start("call", call.id()),
            Event::CallEnded { call, .. } => self.end("call", call.id()),
            Event::AttemptStarted { attempt, .. } => self.start("attempt", attempt.id()),
            Event::AttemptPhase { attempt, phase, failure, .. } => {
                self.still("attempt", attempt.id(), event);
                self.phases.push((*phase, failure.map_or("ok", |failure| failure.kind().as_str())));
            }
            Event::AttemptEnded { attempt, outcome, .. } => {
                self.end("attempt", attempt.id());
                self.ended.push(attempt.timings());
                self.outcomes.push(match outcome {
                    Outcome::Ok => "ok".to_owned(),
                    Outcome::Cancelled { phase, .. } => format!("cancelled in {phase}"),
                    Outcome::Failed(failure) => {
                        format!("{} in {}", failure.kind(), failure.phase().map_or("?", Phase::as_str))
                    }
                    other => format!("{other:?}"),
                });
                let line = attempt.timings().to_string();
                if secret::is_in(&line) {
                    self.faults.push(format!("a secret in {line}"));
                }
            }
            Event::SlotsOpened { .. } => self.slots.origins += 1,
            Event::SlotsClosed { .. } => self.slots.origins -= 1,
            Event::SlotWaiting { attempt, .. } => {
                self.slots.waiting += 1;
                self.start_for(*attempt, "slot wait");
            }
            Event::SlotWaited { attempt, .. } => {
                self.slots.waiting -= 1;
                self.end_for(*attempt, "slot wait");
            }
            Event::ConnectionWaiting { attempt, .. } => self.start("connection wait", attempt.id()),
            Event::ConnectionWaited { attempt, .. } => self.end("connection wait", attempt.id()),
            Event::SlotTaken { attempt, .. } => {
                self.slots.held += 1;
                self.slots.most = self.slots.most.max(self.slots.held);
                self.start_for(*attempt, "slot");
            }
            Event::SlotReturned { attempt, .. } => {
                self.slots.held -= 1;
                self.end_for(*attempt, "slot");
            }
            Event::ConnectStarted { setup, .. } => self.start("setup", setup.id()),
            Event::ConnectPhase { phase, failure, .. } => {
                self.phases.push((*phase, failure.map_or("ok", |failure| failure.kind().as_str())));
            }
            Event::ConnectEnded { setup, result, .. } => {
                self.end("setup", setup.id());
                let name = match result {
                    ConnectResult::Connected(_) => "connected",
                    ConnectResult::Failed(_) => "connect_failed",
                    ConnectResult::Cancelled => "connect_cancelled",
                    _ => "connect_other",
                };
                *self.counts.entry(name.to_owned()).or_default() += 1;
            }
            Event::ConnectionOpened { connection, .. } => {
                self.start("connection", connection.id());
                self.idle += 1;
            }
            Event::AttemptHead { attempt, .. } => self.still("attempt", attempt.id(), event),
            Event::ConnectionAssigned { connection, attempt, .. } => {
                self.still("connection", connection.id(), event);
                self.still("attempt", attempt.id(), event);
            }
            Event::ConnectionActive { connection, .. } => {
                self.still("connection", connection.id(), event);
                self.idle -= 1;
                self.active += 1;
            }
            Event::ConnectionIdle { connection, .. } => {
                self.still("connection", connection.id(), event);
                self.idle += 1;
                self.active -= 1;
            }
            Event::ConnectionClosed { connection, closed, .. } => {
                self.end("connection", connection.id());
                if closed.was_active() {
                    self.active -= 1;
                } else {
                    self.idle -= 1;
                }
                self.closed.push(closed.reason().as_str());
            }
            _ => {}
        }
    }

    /// No event may follow the end.
    fn still(&mut self, what: &'static str, id: u64, event: &Event<'_>) {
        if self.over.contains(&(what, id)) {
            self.faults.push(format!("{what} {id} was over before {event:?}"));
        }
    }

    fn start_for(&mut self, attempt: Option<&Attempt>, what: &'static str) {
        if let Some(attempt) = attempt {
            self.start(what, attempt.id());
        }
    }

    fn end_for(&mut self, attempt: Option<&Attempt>, what: &'static str) {
        if let Some(attempt) = attempt {
            self.end(what, attempt.id());
        }
    }

    fn start(&mut self, what: &'static str, id: u64) {
        let open = self.open.entry((what, id)).or_default();
        *open += 1;
        if *open != 1 {
            self.faults.push(format!("{what} {id} started twice"));
        }
    }

    fn end(&mut self, what: &'static str, id: u64) {
        let open = self.open.entry((what, id)).or_default();
        *open -= 1;
        if *open != 0 {
            self.faults.push(format!("{what} {id} ended without a start, or twice"));
        }
        self.over.insert((what, id));
    }
}
