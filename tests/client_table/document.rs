//! The table in the crate's documentation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::{kinds, scenarios};

const DOCUMENT: &str = include_str!("../../crates/tower-outbound/src/docs/clients.md");
const BEGIN: &str = "<!-- the table of clients begins -->\n";
const END: &str = "<!-- the table of clients ends -->";

/// A row for each scenario, a column for each kind of client, and the reasons below.
pub(crate) fn table(failed: &BTreeSet<String>) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    let mut text = String::from("| |");
    for kind in kinds::ALL {
        let _ = write!(text, " {} |", kind.name);
    }
    text += "\n| --- |";
    text += &" --- |".repeat(kinds::ALL.len());
    for scenario in scenarios::ALL {
        let _ = write!(text, "\n| {} |", scenario.sentence());
        for kind in kinds::ALL {
            match kind.cannot(scenario.name) {
                None if failed.contains(&scenario.path(kind)) => text += " failed |",
                None => text += " yes |",
                Some(reason) => {
                    let number = reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
                        reasons.push(reason);
                        reasons.len() - 1
                    });
                    let _ = write!(text, " no, {} |", number + 1);
                }
            }
        }
    }
    text += "\n\nWhy not:\n";
    for (number, reason) in reasons.iter().enumerate() {
        let _ = write!(text, "\n{}. {reason}", number + 1);
    }
    text + "\n"
}

/// Panics if the table in the documentation differs.
pub(crate) fn check() {
    let (_, rest) = DOCUMENT.split_once(BEGIN).expect("the mark where the table begins");
    let (documented, _) = rest.split_once(END).expect("the mark where the table ends");
    let table = table(&BTreeSet::new());
    assert!(
        documented == table,
        "crates/tower-outbound/src/docs/clients.md must contain this table:\n\n{table}"
    );
}
