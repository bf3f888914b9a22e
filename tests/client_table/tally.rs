//! Runs cells and counts their results.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbound_tests::cells::{Completion, Failed};

use crate::cell::Cell;
use crate::document;
use crate::kinds::Kind;
use crate::scenarios::Scenario;

/// A cell normally takes milliseconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The results of all cells. Clones share the results.
#[derive(Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Cells>>);

#[derive(Default)]
struct Cells {
    scenarios: BTreeSet<&'static str>,
    clients: BTreeSet<&'static str>,
    run: usize,
    not_possible: usize,
    failed: BTreeSet<String>,
}

impl Tally {
    pub(crate) fn run(&self, kind: &'static Kind, scenario: &Scenario) -> Result<Completion, Failed> {
        let impossible = kind.cannot(scenario.name);
        self.count(|cells| {
            cells.scenarios.insert(scenario.name);
            cells.clients.insert(kind.name);
            if impossible.is_some() {
                cells.not_possible += 1;
            } else {
                cells.run += 1;
                // Removed when the cell passes.
                cells.failed.insert(scenario.path(kind));
            }
        });
        if let Some(reason) = impossible {
            return Ok(Completion::ignored_with(format!("not possible: {reason}")));
        }
        run(kind, scenario);
        self.count(|cells| {
            cells.failed.remove(&scenario.path(kind));
        });
        Ok(Completion::Completed)
    }

    fn count(&self, update: impl FnOnce(&mut Cells)) {
        update(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn failed(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failed.len()
    }

    /// Prints the table if `prints`, then a machine-readable line.
    pub(crate) fn print_summary(&self, prints: bool) {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if prints {
            println!("{}", document::table(&cells.failed));
        }
        println!(
            "clients: {} scenarios, {} clients, {} cells run, {} not possible, {} failed",
            cells.scenarios.len(),
            cells.clients.len(),
            cells.run,
            cells.not_possible,
            cells.failed.len()
        );
    }
}

/// Runs one cell in a runtime of its own.
fn run(kind: &'static Kind, scenario: &Scenario) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cell = Cell::new(kind);
    runtime.block_on(async {
        tokio::time::timeout(TIMEOUT, (scenario.run)(&cell)).await.expect("the cell hangs");
    });
}
