//! The tables in `docs/failures.md` agree with the code: names, classes, phases and send states.

use std::collections::BTreeSet;

use tower_outbound::{Class, Kind};

const DOCUMENT: &str = include_str!("../../crates/tower-outbound/src/docs/failures.md");
const PHASES: [&str; 10] =
    ["queue", "acquire", "dns", "tcp", "tunnel", "tls", "send", "wait", "head", "body"];

const STATES: [&str; 5] = ["not_sent", "partial", "sent", "not_processed", "unknown"];

/// The cells of the table whose first column has this heading.
fn table(first: &str) -> Vec<Vec<String>> {
    let head = format!("| {first} |");
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells = row.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    })
    .collect()
}

fn class_of(kind: &str) -> &'static str {
    let kind = Kind::ALL.iter().find(|known| known.as_str() == kind);
    kind.unwrap_or_else(|| panic!("no such kind")).class().map_or("–", Class::as_str)
}

#[test]
fn failure_document_lists_every_kind_with_class() {
    let rows = table("kind");
    let named: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(named, known);
    for row in &rows {
        assert_eq!(row.len(), 5, "{row:?}");
        assert_eq!(row[1], class_of(&row[0]), "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

#[test]
fn failure_document_faults_name_existing_kinds_and_phases() {
    let rows = table("fault");
    assert!(rows.len() >= 60, "{} rows", rows.len());
    let slugs: BTreeSet<_> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(slugs.len(), rows.len(), "a fault has two rows");
    for row in &rows {
        let [slug, http1, http2, class, phase, send] = row.as_slice() else { panic!("{row:?}") };
        let classes = |kinds: &str| -> Vec<_> {
            let failures = kinds.split(", ").filter(|kind| !matches!(*kind, "–" | "ok" | "cancelled"));
            let mut classes: Vec<_> = failures
                .map(|kind| match kind {
                    // A temporary resolver failure has the class `timeout`.
                    "name_resolution_error" if slug == "dns-try-again" => "timeout",
                    kind => class_of(kind),
                })
                .collect();
            classes.dedup();
            classes
        };
        let mut expected: Vec<_> = [http1, http2].map(|kinds| classes(kinds).join(", ")).into();
        let failed = expected.iter().any(|classes| !classes.is_empty());
        expected.retain(|classes| !classes.is_empty());
        expected.dedup();
        let expected = if failed { expected.join(" / ") } else { "–".to_owned() };
        assert_eq!(*class, expected, "{slug}");
        for phase in phase.split([',', '/']).map(str::trim).filter(|phase| *phase != "–") {
            assert!(PHASES.contains(&phase), "{slug}: {phase}");
        }
        for state in send.split([',', '/']).map(str::trim).filter(|state| *state != "–") {
            assert!(STATES.contains(&state), "{slug}: {state}");
        }
        assert_eq!(send != "–", failed, "{slug}: a failure has a send state");
    }
}
