//! The table of keys in the documentation.

use tower_outbound::settings::{Settings, Source, Sources};

use super::valid::valid;
use super::{keys, variable};

#[test]
fn settings_table_has_every_key_with_variable_and_default() {
    let rows =
        include_str!("../../src/settings/keys/table.md").lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<_> = rows
        .map(|row| {
            let cells: Vec<_> = row.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect();
            (cells[0].to_owned(), cells[1].to_owned(), cells[5].to_owned())
        })
        .collect();
    let settings = Settings::new();
    let expected: Vec<_> = settings
        .entries()
        .map(|entry| (entry.key().to_owned(), variable(entry.key()), entry.value().to_owned()))
        .collect();
    assert_eq!(documented, expected);
}

#[test]
fn settings_key_alone_changes_nothing_else() {
    for key in keys() {
        let settings = Sources::new().variables([(variable(key), valid(key))]).load();
        let entry = settings.get(key).unwrap();
        assert_eq!((entry.value(), entry.source()), (valid(key), &Source::Environment(variable(key))));
        for (entry, default) in settings.entries().zip(Settings::new().entries()) {
            // The one that implies another.
            let implied = (key, entry.key()) == ("retry.connect_only", "retry.max_retries");
            let changed = entry.value() != default.value();
            assert_eq!(changed, entry.key() == key || implied, "{key} and {}", entry.key());
        }
    }
}
