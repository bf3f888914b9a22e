//! What the receiver was told of an upstream's attempts, against what the upstream has logged of them.

use std::collections::{HashMap, HashSet};

use outbound_tests::otlp::Span;

/// A connection, by the upstream's count: of which of its lives, and its number in that one.
pub(super) type Accepted = (u32, u64);
/// The id of an attempt's span, which the upstream sees in `traceparent`.
type Id = String;

/// How an attempt has ended, as its span tells it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// Answered to the last byte: the upstream must have logged it.
    Answered,
    /// It failed, and nobody can tell how far the upstream came with it.
    Maybe,
    /// It failed, and the upstream cannot have it: it must not be in the log.
    Never,
}

/// One upstream's account. What is told and logged is forgotten, so that it stays small.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) answered: u64,
    pub(super) maybe: u64,
    pub(super) never: u64,
    pub(super) retried: u64,
    pub(super) setups: u64,
    /// Lines of the log, and those whose attempt is known by its fate.
    pub(super) logged: u64,
    pub(super) maybe_logged: u64,
    pub(super) never_logged: u64,
    /// Connections that were accepted, where the upstream counts them.
    pub(super) accepted: u64,
    /// Attempts that share a connection by one account and not by the other.
    pub(super) mixed: u64,
    told: HashMap<Id, (Fate, Option<u64>)>,
    seen: HashMap<Id, Accepted>,
    connections: HashMap<Accepted, u64>,
    served: HashSet<u64>,
}

impl Ledger {
    /// Takes an attempt's span.
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
            None => drop(self.told.insert(span.span_id(), (fate, connection))),
        }
    }

    /// Takes a line of the log: `traceparent` as it came. Without one it is nobody's.
    pub(super) fn logged(&mut self, connection: Accepted, traceparent: &str) {
        self.logged += 1;
        let id = traceparent.split('-').nth(2).unwrap_or(traceparent).to_owned();
        match self.told.remove(&id) {
            Some((fate, told)) => self.pair(fate, told, connection),
            None => drop(self.seen.insert(id, connection)),
        }
    }

    fn pair(&mut self, fate: Fate, told: Option<u64>, accepted: Accepted) {
        match fate {
            Fate::Answered => {}
            Fate::Maybe => self.maybe_logged += 1,
            Fate::Never => self.never_logged += 1,
        }
        // One that failed may not know its connection, and on tonic none does.
        let Some(told) = told else { return };
        match self.connections.get(&accepted) {
            Some(known) => self.mixed += u64::from(*known != told),
            None => {
                self.connections.insert(accepted, told);
                self.mixed += u64::from(!self.served.insert(told));
            }
        }
    }

    /// Attempts told, however they ended.
    pub(super) fn told(&self) -> u64 {
        self.answered + self.maybe + self.never
    }

    /// Answered, and not in the log.
    pub(super) fn unlogged(&self) -> u64 {
        self.told.values().filter(|(fate, _)| *fate == Fate::Answered).count() as u64
    }

    /// In the log, and told by no attempt: or told once and logged twice.
    pub(super) fn untold(&self) -> u64 {
        self.logged - (self.answered - self.unlogged()) - self.maybe_logged - self.never_logged
    }

    /// Connections with a request in the log, of those that attempts name.
    pub(super) fn served(&self) -> u64 {
        self.connections.len() as u64
    }
}

fn fate(span: &Span) -> Fate {
    // The status of an answer is an `error.type` too.
    let failed = span.attr("error.type").is_some_and(|kind| kind.parse::<u16>().is_err());
    match (span.attr("outbound.send_state").as_deref(), span.attr("outbound.cancelled_in").as_deref()) {
        (Some("not_sent" | "not_processed"), _) => Fate::Never,
        (Some(_), _) | (_, Some(_)) => Fate::Maybe,
        // A failure that says nothing of what was sent.
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
        assert_eq!((ledger.logged, ledger.unlogged(), ledger.untold(), ledger.never_logged), (3, 0, 0, 0));
        assert_eq!((ledger.served(), ledger.mixed), (1, 0));
    }

    #[test]
    fn ledger_finds_entries_missing_on_either_side() {
        let mut ledger = Ledger::default();
        ledger.attempt(&span(1, &[ON_7]));
        assert_eq!((ledger.unlogged(), ledger.untold()), (1, 0));
        // Twice on the wire and told once, a line without an id, and one that was said not to be sent.
        ledger.logged((0, 1), &traceparent(1));
        ledger.logged((0, 1), &traceparent(1));
        ledger.logged((0, 1), "-");
        ledger.attempt(&span(2, &[("error.type", "x"), ("outbound.send_state", "not_sent")]));
        ledger.logged((0, 1), &traceparent(2));
        assert_eq!((ledger.unlogged(), ledger.untold(), ledger.never_logged), (0, 2, 1));
    }

    #[test]
    fn ledger_finds_mismatched_connections() {
        let mut ledger = Ledger::default();
        // One by the client's account, two by the upstream's.
        for (id, connection) in [(1, 1), (2, 2)] {
            ledger.attempt(&span(id, &[ON_7]));
            ledger.logged((0, connection), &traceparent(id));
        }
        assert_eq!((ledger.served(), ledger.mixed), (2, 1));
    }
}
