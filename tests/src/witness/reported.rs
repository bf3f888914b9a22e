//! What the layers report of a scene.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower_outbound::attempt::Cumulative;
use tower_outbound::connect::{CloseReason, Protocol};
use tower_outbound::failure::{Kind, Phase, SendState};
use tower_outbound::{Attempt, Event, Observer, Outcome, Reuse};

use super::tag::Tag;

/// What was reported of the attempts and connections of a scene.
#[derive(Clone, Debug, Default)]
pub struct Reported {
    /// In the order of their ends.
    pub attempts: Vec<AttemptReport>,
    /// In the order in which they were opened.
    pub connections: Vec<ConnectionReport>,
}

/// What was reported of an attempt.
#[derive(Clone, Debug)]
pub struct AttemptReport {
    /// Its id.
    pub id: u64,
    /// The step that it is an attempt of.
    pub step: usize,
    /// The serving connection.
    pub connection: Option<Serving>,
    /// The number of the use.
    pub usage: Option<u64>,
    /// New or reused.
    pub reuse: Reuse,
    /// How it ended.
    pub end: End,
    /// A head was received.
    pub has_head: bool,
    /// When it started.
    pub start: Instant,
    /// When it ended.
    pub end_at: Instant,
    /// The cumulative view.
    pub times: Cumulative,
    /// The phases that were reported, in order.
    pub phases: Vec<(Phase, Instant, Instant)>,
    /// The peer answered before the request was sent whole.
    pub answered_early: bool,
    /// Bytes of the request's body.
    pub request_body: u64,
    /// Bytes of the response's body.
    pub response_body: u64,
}

/// The connection that serves an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Its id.
    pub id: u64,
    /// The local port.
    pub port: u16,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the whole response.
    Ok,
    /// With a failure.
    Failed(Kind, Option<Phase>, Option<SendState>),
    /// By the caller.
    Cancelled(Phase),
}

/// What was reported of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// Its id.
    pub id: u64,
    /// The local port.
    pub port: u16,
    /// The version, at the end.
    pub http2: bool,
    /// Why it closed; `None` if no close was reported.
    pub closed: Option<CloseReason>,
    /// When that was.
    pub closed_at: Option<Instant>,
    /// The number of uses.
    pub uses: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

/// The observer of a scene. Clones share one record.
#[derive(Clone, Debug, Default)]
pub(super) struct Collector(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    reported: Reported,
    running: HashMap<u64, Running>,
    open: HashMap<u64, usize>,
}

/// An attempt that has not ended.
#[derive(Debug, Default)]
struct Running {
    step: usize,
    phases: Vec<(Phase, Instant, Instant)>,
}

impl Collector {
    /// Waits until every attempt and every connection has ended.
    pub(super) async fn settled(&self) {
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if self.state().is_settled() {
                return;
            }
            changed.await;
        }
    }

    /// What was reported so far.
    pub(super) fn take(&self) -> Reported {
        std::mem::take(&mut self.state().reported)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Collector {
    fn on_event(&self, event: &Event<'_>) {
        let ends = self.state().add(event);
        if ends {
            self.0.changed.notify_waiters();
        }
    }

    fn on_request(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        let Some(step) = Tag::step_of(headers) else { return };
        Tag { step, attempt: attempt.id() }.write(headers);
        if let Some(running) = self.state().running.get_mut(&attempt.id()) {
            running.step = step;
        }
    }
}

impl State {
    fn is_settled(&self) -> bool {
        self.running.is_empty() && self.open.is_empty()
    }

    /// Whether something ended.
    fn add(&mut self, event: &Event<'_>) -> bool {
        match event {
            Event::AttemptStarted { attempt, .. } => {
                self.running.insert(attempt.id(), Running::default());
                false
            }
            Event::AttemptPhase { attempt, phase, start, end, .. } => {
                if let Some(running) = self.running.get_mut(&attempt.id()) {
                    running.phases.push((*phase, *start, *end));
                }
                false
            }
            Event::AttemptEnded { attempt, outcome, .. } => {
                let running = self.running.remove(&attempt.id()).unwrap_or_default();
                self.reported.attempts.push(attempt_report(attempt, outcome, running));
                true
            }
            Event::ConnectionOpened { connection, .. } => {
                self.open.insert(connection.id(), self.reported.connections.len());
                self.reported.connections.push(ConnectionReport {
                    id: connection.id(),
                    port: connection.local_addr().map_or(0, |address| address.port()),
                    http2: false,
                    closed: None,
                    closed_at: None,
                    uses: 0,
                    bytes_in: 0,
                    bytes_out: 0,
                });
                false
            }
            Event::ConnectionClosed { connection, closed, .. } => {
                let report = self.open.remove(&connection.id());
                if let Some(report) = report.and_then(|at| self.reported.connections.get_mut(at)) {
                    report.http2 = connection.protocol() == Some(Protocol::Http2);
                    report.closed = Some(closed.reason());
                    report.closed_at = Some(Instant::now());
                    report.uses = connection.uses();
                    report.bytes_in = connection.bytes_in();
                    report.bytes_out = connection.bytes_out();
                }
                true
            }
            _ => false,
        }
    }
}

fn attempt_report(attempt: &Attempt, outcome: &Outcome, running: Running) -> AttemptReport {
    let connection = attempt
        .connection()
        .and_then(|connection| Some(Serving { id: connection.id(), port: connection.local_addr()?.port() }));
    AttemptReport {
        id: attempt.id(),
        step: running.step,
        connection,
        usage: attempt.usage().map(|usage| usage.number()),
        reuse: attempt.reuse(),
        end: match outcome {
            Outcome::Failed(failure) => End::Failed(failure.kind(), failure.phase(), failure.send_state()),
            Outcome::Cancelled { phase, .. } => End::Cancelled(*phase),
            _ => End::Ok,
        },
        has_head: attempt.status().is_some(),
        start: attempt.start_time(),
        end_at: attempt.end_time().unwrap_or_else(Instant::now),
        times: attempt.timings().cumulative(),
        phases: running.phases,
        answered_early: attempt.answered_early(),
        request_body: attempt.request_body_bytes(),
        response_body: attempt.response_body_bytes(),
    }
}
