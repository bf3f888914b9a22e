//! The report of an attempt, compared with spans, metrics and the peer.

use std::time::Duration;

use outbound_tests::faults::Seen;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{ConnectionLog, ScriptedServer};
use tokio::runtime::Handle;
use tower_outbound::{Class, Connection, Failure, SendState};

use crate::contradiction::Client;
use crate::stack::Stack;

/// The bound of a cell: a cell that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20);

/// Longer than every timeout of a stack, its idle timeout included.
const LONGEST_TIMER: Duration = Duration::from_secs(120);

/// The outcome of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// `ok`, `cancelled in PHASE`, or `KIND in PHASE`.
    pub(crate) outcome: String,
    pub(crate) class: String,
    /// The send state of a failure; `–` otherwise.
    pub(crate) send: String,
    /// How spans, metrics or the peer contradict the outcome; empty if they agree.
    pub(crate) disagreement: String,
    /// How the cell ran, if there are several ways.
    pub(crate) note: String,
}

impl Outcome {
    pub(crate) fn line(&self) -> String {
        let Outcome { outcome, class, send, note, .. } = self;
        format!("{outcome:<44} {class:<18} {send} {note}").trim_end().to_owned()
    }
}

/// Bytes written before the request, by connection.
pub(crate) type Written = Vec<(u64, u64)>;

pub(crate) fn written(stack: &Stack) -> Written {
    stack.outbound.connections().iter().map(|one| (one.id(), one.bytes_out())).collect()
}

pub(crate) async fn within<T>(slug: &str, done: impl Future<Output = T>) -> T {
    within_time(LIMIT, slug, done).await
}

pub(crate) async fn within_time<T>(limit: Duration, slug: &str, done: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, done).await.unwrap_or_else(|_| panic!("{slug} hangs"))
}

/// The observers' report of an attempt, after the client was dropped.
pub(crate) struct Reported {
    outcome: Outcome,
    failure: Option<Failure>,
    connection: Option<Connection>,
    http2: bool,
    /// Bytes written by the connection before the request.
    written_before: u64,
    recorder: Recorder,
}

impl Reported {
    /// The last attempt of this method.
    pub(crate) async fn of(stack: Stack, method: &str, before: &Written) -> Reported {
        Reported::of_several(stack, method, 1, 0, before).await
    }

    /// The last `count` attempts of this method, which have one outcome. `later` attempts of other methods ended
    /// after them.
    pub(crate) async fn of_several(
        stack: Stack,
        method: &str,
        count: usize,
        later: usize,
        before: &Written,
    ) -> Reported {
        let recorder = stack.recorder.clone();
        let ended =
            |recorder: &Recorder| recorder.outcomes().len() as i64 == recorder.count("AttemptStarted");
        recorder.wait_until(ended).await;
        let mut outcomes = recorder.outcomes();
        outcomes.truncate(outcomes.len() - later);
        let mut outcomes = outcomes.split_off(outcomes.len() - count);
        outcomes.dedup();
        let outcome = outcomes.join(" and ");
        let (failure, connection) = stack.failure.lock().unwrap().take().unzip();
        let failure = failure.filter(|_| outcome != "ok" && !outcome.starts_with("cancelled"));
        let class = failure.as_ref().and_then(Failure::class).map_or("–", Class::as_str).to_owned();
        let send = failure.as_ref().and_then(Failure::send_state).map_or("–", SendState::as_str).to_owned();
        let (error, metric_agrees) = stack.error_type(method, count);
        let expected = failure.as_ref().map(|failure| failure.kind().as_str().to_owned());
        let mut disagreement = String::new();
        if error != expected {
            disagreement = format!("span: error.type {error:?}");
        } else if !metric_agrees {
            disagreement = "no metric has the error.type of all spans".to_owned();
        }
        let connection = connection.flatten().filter(|_| failure.is_some());
        let same = |connection: &Connection| before.iter().find(|(id, _)| *id == connection.id());
        let written_before = connection.as_ref().and_then(same).map_or(0, |(_, bytes)| *bytes);
        let http2 = stack.http2;
        drop(stack);
        let outcome = Outcome { outcome, class, send, disagreement, note: String::new() };
        Reported { outcome, failure, connection, http2, written_before, recorder }
    }

    pub(crate) fn failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The server's view of the request, once all its connections have ended.
    pub(crate) async fn seen_by(&self, server: &ScriptedServer, before: &[ConnectionLog]) -> Seen {
        server.wait_until(|log| log.iter().all(|connection| connection.ended.is_some())).await;
        Seen::since(server, before)
    }

    /// The outcome. Fails if anything is left over. Without a peer, nothing can have been sent.
    pub(crate) async fn finish(mut self, seen: Option<Seen>) -> Outcome {
        let Reported { failure, connection, http2, written_before, recorder, .. } = self;
        recorder.settled().await;
        if let Some(failure) = failure {
            let written = connection.map(|connection| connection.bytes_out() - written_before);
            let client = Client { http2, written };
            let send = failure.send_state().expect("of an attempt");
            if let Some(contradiction) = client.contradiction(send, seen.unwrap_or_default()) {
                self.outcome.disagreement += &contradiction;
            }
        }
        recorder.assert_balanced();
        recorder.assert_no_faults();
        // The recorder keeps the stack, so an armed timeout keeps its task until it is due.
        tokio::time::pause();
        tokio::time::sleep(LONGEST_TIMER).await;
        tokio::time::resume();
        let tasks = async {
            while Handle::current().metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        };
        within(&self.outcome.outcome, tasks).await;
        self.outcome
    }
}
