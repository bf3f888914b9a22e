//! The table of variables and the code name the same ones.

use std::collections::BTreeSet;
use std::sync::mpsc;

use super::testing::resolve_with;

/// Read by the observer from the environment, not through the lookup.
pub(super) const KNOWN_METHODS: &str = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS";

const TABLE: &str = include_str!("../variables.md");

/// The names in the first column.
pub(super) fn documented() -> BTreeSet<String> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split(','));
    names.map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

/// The variables that are read. Only a sampler with an argument leads to reading another.
fn read() -> BTreeSet<String> {
    let (sender, receiver) = mpsc::channel();
    resolve_with(move |key| {
        sender.send(key.to_owned()).unwrap();
        (key == "OTEL_TRACES_SAMPLER").then(|| "traceidratio".to_owned())
    });
    receiver.into_iter().collect()
}

#[test]
fn variables_table_lists_exactly_the_variables_read() {
    let mut read = read();
    assert!(read.insert(KNOWN_METHODS.to_owned()));
    assert_eq!(documented(), read);
}

#[test]
fn variables_table_has_unique_rows_with_defaults() {
    let rows: Vec<_> = TABLE.lines().filter(|line| line.starts_with("| `")).collect();
    let names: usize = rows.iter().map(|row| row.split('|').nth(1).unwrap().split(',').count()).sum();
    assert_eq!(names, documented().len());
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(
            matches!(cells[..], ["", _, honoured, default, ""] if !honoured.is_empty() && !default.is_empty())
        );
    }
}
