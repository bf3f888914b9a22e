//! The table of keys in the documentation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{KEYS, Key};
use crate::settings::{Settings, StackSettings};

fn rendered() -> String {
    let mut table = "| key | variable | unit | minimum | zero | default | |\n| --- | --- | --- | --- | --- | --- | --- |\n".to_owned();
    for key in KEYS {
        let (unit, minimum) = key.kind.described();
        let default = (key.get)(&StackSettings::default()).to_string();
        let Key { name, zero, doc, .. } = key;
        let variable = key.variable();
        writeln!(table, "| `{name}` | `{variable}` | {unit} | {minimum} | {zero} | {default} | {doc} |")
            .unwrap();
    }
    table
}

#[test]
fn settings_table_in_docs_is_that_of_the_code() {
    let rendered = rendered();
    assert!(rendered == include_str!("table.md"), "write this to src/settings/keys/table.md:\n{rendered}");
}

#[test]
fn settings_keys_and_variables_are_unique() {
    let names: BTreeSet<_> = KEYS.iter().map(|key| key.name).collect();
    let variables: BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
    assert_eq!((names.len(), variables.len()), (KEYS.len(), KEYS.len()));
    assert!(names.iter().all(|name| name.split('.').count() == 2), "a table and a name");
}

#[test]
fn settings_default_as_shown_is_valid_and_the_same() {
    for entry in Settings::new().entries() {
        let key = &KEYS[Key::named(entry.key()).unwrap()];
        assert_eq!(key.parse(entry.value()).unwrap().to_string(), entry.value(), "{}", entry.key());
    }
}
