//! The report of each fault: a table, or JSON.

use std::fmt;

use outbound_tests::faults::Expected;
use serde::Serialize;

use super::reported::Reported;
use crate::report::frameless;

const HEADER: [&str; 6] = ["FAULT", "HTTP", "kind", "phase", "request", "retried"];
const HOW_TO_READ: &str = "\
Each row is one request into one fault: the kind and phase of its error, how much of the request was sent, and
whether the retry layer retried it under its default rules. Yes is followed by the reason. No is followed
by the obstacle: the request may have been processed, was answered, was cancelled by the caller, or failed with
a kind that is never retried (a certificate, a name that does not exist, a full in-flight queue).
";

/// One fault.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    fault: &'static str,
    http: &'static str,
    /// `ok`, `cancelled`, or a kind of failure.
    kind: &'static str,
    class: Option<&'static str>,
    phase: Option<&'static str>,
    send_state: Option<&'static str>,
    #[serde(rename = "resent")]
    retried: Option<bool>,
    /// The reason for the retry, or the obstacle.
    why: Option<&'static str>,
    documented: bool,
    /// The documented row, if the report deviates from it.
    expected: Option<String>,
}

impl Row {
    pub(super) fn new(
        fault: &'static str,
        http2: bool,
        reported: &Reported,
        expected: Option<&Expected>,
    ) -> Row {
        let (kind, class, phase, sent) =
            (reported.kind(), reported.class(), reported.phase(), reported.sent());
        let outcome = match phase {
            Some(phase) => format!("{kind} in {phase}"),
            None => kind.to_owned(),
        };
        let or_none = |word: Option<&'static str>| word.unwrap_or("–");
        let documented =
            expected.is_some_and(|expected| !expected.differs(&outcome, or_none(class), or_none(sent)));
        let (retried, why) = reported.retried().unzip();
        Row {
            fault,
            http: if http2 { "2" } else { "1" },
            kind,
            class,
            phase,
            send_state: sent,
            retried,
            why,
            documented,
            expected: (!documented).then(|| format!("{expected:?}")),
        }
    }

    pub(super) fn is_documented(&self) -> bool {
        self.documented
    }

    fn cells(&self) -> [String; 6] {
        let or_none = |word: Option<&str>| word.unwrap_or("–").to_owned();
        let again = match (self.retried, self.why) {
            (Some(true), Some(why)) => format!("yes: {why}"),
            (Some(false), Some(why)) => format!("no: {why}"),
            _ => "–".to_owned(),
        };
        let [phase, sent] = [self.phase, self.send_state].map(or_none);
        [self.fault.to_owned(), self.http.to_owned(), self.kind.to_owned(), phase, sent, again]
    }
}

/// All rows as text.
pub(super) struct Table<'a>(pub(super) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table(rows) = self;
        writeln!(f, "{}\n\n{HOW_TO_READ}", frameless(HEADER, rows.iter().map(Row::cells), &[]))?;
        let wrong: Vec<_> = rows.iter().filter(|row| !row.documented).collect();
        for Row { fault, http, expected, .. } in &wrong {
            let expected = expected.as_deref().unwrap_or_default();
            writeln!(f, "{fault} on HTTP/{http} deviates from the document: {expected}")?;
        }
        let as_documented = rows.len() - wrong.len();
        writeln!(
            f,
            "{as_documented} of {} faults reported as documented in crates/tower-outbound/src/docs/failures.md.",
            rows.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_table_flags_undocumented_or_deviating_fault() {
        let nothing = Reported::default();
        let expected =
            Expected { kinds: vec!["ok".to_owned()], classes: vec![], phases: vec![], sends: vec![] };
        let rows =
            [Row::new("no-answer", false, &nothing, Some(&expected)), Row::new("x", true, &nothing, None)];
        assert!(rows.iter().all(|row| !row.is_documented()));
        let text = Table(&rows).to_string();
        assert!(text.contains("no-answer on HTTP/1 deviates from the document: Some(Expected"), "{text}");
        assert!(text.contains("x on HTTP/2 deviates from the document: None"), "{text}");
        assert!(text.contains("0 of 2 faults reported"), "{text}");
    }
}
