//! Every scenario on every kind of client: what works, and why the rest cannot.
//!
//! `cargo test --release -p outbound-tests client_table -- --nocapture` prints the table of the crate's documentation,
//! and one line at the end.

mod cell;
mod document;
mod kinds;
mod peer;
mod resolver;
mod scenarios;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cell::Cell;
use kinds::Kind;
use scenarios::Scenario;

/// For what takes milliseconds.
const HANGS_AFTER: Duration = Duration::from_secs(60);

/// Runs one cell in a runtime of its own.
fn passes(kind: &'static Kind, scenario: &Scenario) -> bool {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let cell = Cell::new(kind);
        runtime.block_on(async {
            tokio::time::timeout(HANGS_AFTER, (scenario.run)(&cell)).await.expect("it hangs");
        });
    };
    catch_unwind(AssertUnwindSafe(run)).is_ok()
}

#[test]
fn client_table() {
    let (mut run, mut not_possible, mut failed) = (0, 0, BTreeSet::new());
    // To run a part of it.
    let only = std::env::var("CLIENT_TABLE").unwrap_or_default();
    for kind in kinds::ALL {
        for scenario in scenarios::ALL {
            let name = scenario.on(kind);
            if kind.cannot(scenario.name).is_some() {
                not_possible += 1;
            } else if name.contains(&only) {
                run += 1;
                if !passes(kind, scenario) {
                    println!("failed: {name}");
                    failed.insert(name);
                }
            }
        }
    }
    println!("{}", document::table(&failed));
    println!(
        "clients: {} scenarios, {} clients, {run} cells run, {not_possible} not possible, {} failed",
        scenarios::ALL.len(),
        kinds::ALL.len(),
        failed.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn client_table_documentation_is_up_to_date() {
    document::check();
}

#[test]
fn client_table_not_possible_reasons_name_known_scenarios() {
    let names: BTreeSet<_> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    for kind in kinds::ALL {
        for (name, reason) in kind.cannot {
            assert!(names.contains(name) && !reason.is_empty(), "{}: {name}", kind.name);
        }
    }
}

#[test]
fn client_table_failing_scenario_counts_as_failed() {
    let wrong = Scenario { name: "wrong", run: |_| Box::pin(async { panic!("on purpose") }) };
    assert!(!passes(&kinds::ALL[0], &wrong));
}
