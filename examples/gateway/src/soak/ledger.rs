//! Compares the exported spans of the attempts on one upstream with the upstream's log.

use std::collections::{HashMap, HashSet};

use outbound_tests::otlp::Span;

/// A connection, counted by the upstream: the number of its start, and the connection's number since that start.
pub(super) type Accepted = (u32, u64);
/// The id of an attempt's span. The upstream receives it in `traceparent`.
type Id = String;

/// How an attempt ended, according to its span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// The response was complete: the upstream must have logged the request.
    Answered,
    /// The attempt failed, and the upstream may have processed the request.
    Maybe,
    /// The attempt failed without reaching the upstream: the log must not have it.
    Never,
}

/// The account of one upstream. A span and its log line are dropped once both are known, which bounds the size.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) answered: u64,
    pub(super) maybe: u64,
    pub(super) never: u64,
    pub(super) retried: u64,
    pub(super) setups: u64,
    /// Lines of the log; the next two count those of failed attempts.
    pub(super) logged: u64,
    pub(super) maybe_logged: u64,
    pub(super) never_logged: u64,
    /// Accepted connections, if the upstream counts them.
    pub(super) accepted: u64,
    /// Attempts that share a connection on one side and not on the other.
    pub(super) mixed: u64,
    reported: HashMap<Id, (Fate, Option<u64>)>,
    seen: HashMap<Id, Accepted>,
    connections: HashMap<Accepted, u64>,
    served: HashSet<u64>,
}

impl Ledger {
    /// Adds the span of an attempt.
    pub(super) fn attempt(&mut self, span: &Span) {
        let fate = fate(span);
        match fate {
            Fate::Answered => self.answered += 1,
            Fate::Maybe => self.maybe += 1,
            Fate::Never => self.never += 1,
        }
        self.retried += u64::from(span.attr("http.request.resend_count").is_some());
        let connection = span.attr("outbound.connection.id").and_then(|id| id.parse().ok());
        match self.seen.remove(&span.span_id()) {
            Some(accepted) => self.pair(fate, connection, accepted),
            None => drop(self.reported.insert(span.span_id(), (fate, connection))),
        }
    }

    /// Adds a line of the log, with the request's `traceparent`.
    pub(super) fn logged(&mut self, connection: Accepted, traceparent: &str) {
        self.logged += 1;
        let id = traceparent.split('-').nth(2).unwrap_or(traceparent).to_owned();
        match self.reported.remove(&id) {
            Some((fate, reported)) => self.pair(fate, reported, connection),
            None => drop(self.seen.insert(id, connection)),
        }
    }

    fn pair(&mut self, fate: Fate, reported: Option<u64>, accepted: Accepted) {
        match fate {
            Fate::Answered => {}
            Fate::Maybe => self.maybe_logged += 1,
            Fate::Never => self.never_logged += 1,
        }
        // A failed attempt may lack its connection; attempts through tonic always do.
        let Some(reported) = reported else { return };
        match self.connections.get(&accepted) {
            Some(known) => self.mixed += u64::from(*known != reported),
            None => {
                self.connections.insert(accepted, reported);
                self.mixed += u64::from(!self.served.insert(reported));
            }
        }
    }

    /// All attempts with a span.
    pub(super) fn attempts(&self) -> u64 {
        self.answered + self.maybe + self.never
    }

    /// Answered attempts that are not in the log.
    pub(super) fn unlogged(&self) -> u64 {
        self.reported.values().filter(|(fate, _)| *fate == Fate::Answered).count() as u64
    }

    /// Lines of the log without an attempt, duplicates included.
    pub(super) fn unreported(&self) -> u64 {
        self.logged - (self.answered - self.unlogged()) - self.maybe_logged - self.never_logged
    }

    /// Connections named by an attempt and with a request in the log.
    pub(super) fn served(&self) -> u64 {
        self.connections.len() as u64
    }
}

fn fate(span: &Span) -> Fate {
    // The `error.type` of an error response is its status.
    let failed = span.attr("error.type").is_some_and(|kind| kind.parse::<u16>().is_err());
    match (span.attr("outbound.send_state").as_deref(), span.attr("outbound.cancelled_in").as_deref()) {
        (Some("not_sent" | "not_processed"), _) => Fate::Never,
        (Some(_), _) | (_, Some(_)) => Fate::Maybe,
        // A failure without a send state.
        (None, None) if failed => Fate::Maybe,
        (None, None) => Fate::Answered,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

    use super::*;

    fn span(id: u8, attributes: &[(&str, &str)]) -> Span {
        let mut span =
            Span { resource_service: String::new(), scope: String::new(), span: Default::default() };
        span.span.span_id = vec![id; 8];
        for (key, value) in attributes {
            let value = Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) });
            span.span.attributes.push(KeyValue { key: (*key).to_owned(), value, ..KeyValue::default() });
        }
        span
    }

    fn traceparent(id: u8) -> String {
        format!("00-{}-{}-01", "ab".repeat(16), format!("{id:02x}").repeat(8))
    }

    const ON_7: (&str, &str) = ("outbound.connection.id", "7");

    #[test]
    fn ledger_matches_spans_and_log_lines_in_any_order() {
        let mut ledger = Ledger::default();
        ledger.attempt(&span(1, &[ON_7]));
        ledger.logged((0, 3), &traceparent(1));
        ledger.logged((0, 3), &traceparent(2));
        ledger.attempt(&span(2, &[ON_7, ("error.type", "503")]));
        ledger.attempt(&span(3, &[("error.type", "goaway"), ("outbound.send_state", "not_processed")]));
        let cut = [("error.type", "response_ended"), ("outbound.send_state", "sent")];
        ledger.attempt(&span(4, &cut));
        ledger.attempt(&span(5, &cut));
        ledger.logged((0, 3), &traceparent(5));
        assert_eq!((ledger.answered, ledger.never, ledger.maybe, ledger.maybe_logged), (2, 1, 2, 1));
        assert_eq!(
            (ledger.logged, ledger.unlogged(), ledger.unreported(), ledger.never_logged),
            (3, 0, 0, 0)
        );
        assert_eq!((ledger.served(), ledger.mixed), (1, 0));
    }

    #[test]
    fn ledger_finds_entries_missing_on_either_side() {
        let mut ledger = Ledger::default();
        ledger.attempt(&span(1, &[ON_7]));
        assert_eq!((ledger.unlogged(), ledger.unreported()), (1, 0));
        // One attempt logged twice, a line without an id, and an attempt reported as not sent but logged.
        ledger.logged((0, 1), &traceparent(1));
        ledger.logged((0, 1), &traceparent(1));
        ledger.logged((0, 1), "-");
        ledger.attempt(&span(2, &[("error.type", "x"), ("outbound.send_state", "not_sent")]));
        ledger.logged((0, 1), &traceparent(2));
        assert_eq!((ledger.unlogged(), ledger.unreported(), ledger.never_logged), (0, 2, 1));
    }

    #[test]
    fn ledger_finds_mismatched_connections() {
        let mut ledger = Ledger::default();
        // One connection for the client, two for the upstream.
        for (id, connection) in [(1, 1), (2, 2)] {
            ledger.attempt(&span(id, &[ON_7]));
            ledger.logged((0, connection), &traceparent(id));
        }
        assert_eq!((ledger.served(), ledger.mixed), (2, 1));
    }
}
