//! Tests of the table itself.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use outbound_tests::cells::Program;

use crate::scenarios::Scenario;
use crate::tally::Tally;
use crate::{document, kinds, scenarios};

pub(crate) fn add(program: &mut Program) {
    program.check("checks::documentation_is_up_to_date", document::check);
    program.check("checks::not_possible_reasons_name_known_scenarios", known_scenarios);
    program.check("checks::cell_names_are_unique", cell_names_are_unique);
    program.check("checks::failing_scenario_counts_as_failed", failing_scenario);
}

fn known_scenarios() {
    let names: BTreeSet<_> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
    for kind in kinds::ALL {
        for (name, reason) in kind.cannot {
            assert!(names.contains(name) && !reason.is_empty(), "{}: {name}", kind.name);
        }
    }
}

fn cell_names_are_unique() {
    let names: BTreeSet<_> = kinds::ALL.iter().map(|kind| scenarios::ALL[0].path(kind)).collect();
    assert_eq!(names.len(), kinds::ALL.len());
}

fn failing_scenario() {
    let (wrong, tally) = (
        Scenario { name: "wrong", run: |_| Box::pin(async { resume_unwind(Box::new("on purpose")) }) },
        Tally::default(),
    );
    let run = catch_unwind(AssertUnwindSafe(|| tally.run(&kinds::ALL[0], &wrong)));
    assert!(run.is_err());
    assert_eq!(tally.failed(), 1);
}
