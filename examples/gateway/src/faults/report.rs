//! What was told of each fault, as a table and for a program.

use std::fmt;

use outbound_tests::faults::Expected;
use serde::Serialize;

use super::told::Told;
use crate::report::frameless;

const HEADER: [&str; 6] = ["FAULT", "HTTP", "told as", "in phase", "request", "sent again"];
const HOW_TO_READ: &str = "\
Each row is one request into one fault: its error's kind and phase, how much of the request was sent, and
whether the retry layer has sent it again by its default rules: yes, and why; or no, since it is maybe
processed, answered already, given up by the caller, or of a kind that it never sends again (a certificate,
a name that does not exist, a full queue of our own).
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
    /// Why it was sent again, or why not.
    why: Option<&'static str>,
    documented: bool,
    /// What the document says where it was told otherwise.
    expected: Option<String>,
}

impl Row {
    pub(super) fn new(fault: &'static str, http2: bool, told: &Told, expected: Option<&Expected>) -> Row {
        let (kind, class, phase, sent) = (told.kind(), told.class(), told.phase(), told.sent());
        let outcome = match phase {
            Some(phase) => format!("{kind} in {phase}"),
            None => kind.to_owned(),
        };
        let or_none = |word: Option<&'static str>| word.unwrap_or("–");
        let documented =
            expected.is_some_and(|expected| !expected.differs(&outcome, or_none(class), or_none(sent)));
        let (retried, why) = told.retried().unzip();
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

/// All of them, for a person.
pub(super) struct Table<'a>(pub(super) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table(rows) = self;
        writeln!(f, "{}\n\n{HOW_TO_READ}", frameless(HEADER, rows.iter().map(Row::cells), &[]))?;
        let wrong: Vec<_> = rows.iter().filter(|row| !row.documented).collect();
        for Row { fault, http, expected, .. } in &wrong {
            let expected = expected.as_deref().unwrap_or_default();
            writeln!(f, "{fault} on HTTP/{http} is documented otherwise: {expected}")?;
        }
        let told = rows.len() - wrong.len();
        writeln!(
            f,
            "{told} of {} faults told as crates/tower-outbound/src/docs/failures.md says.",
            rows.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_table_flags_undocumented_or_deviating_fault() {
        let nothing = Told::default();
        let expected =
            Expected { kinds: vec!["ok".to_owned()], classes: vec![], phases: vec![], sends: vec![] };
        let rows =
            [Row::new("no-answer", false, &nothing, Some(&expected)), Row::new("x", true, &nothing, None)];
        assert!(rows.iter().all(|row| !row.is_documented()));
        let text = Table(&rows).to_string();
        assert!(text.contains("no-answer on HTTP/1 is documented otherwise: Some(Expected"), "{text}");
        assert!(text.contains("x on HTTP/2 is documented otherwise: None"), "{text}");
        assert!(text.contains("0 of 2 faults told"), "{text}");
    }
}
