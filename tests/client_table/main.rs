//! Runs every scenario on every kind of client, or gives the reason why a client cannot run a scenario.
//!
//! Each cell is a test `client_table::<scenario>::<client>`:
//!
//! ```text
//! cargo test -p outbound-tests client_table::trailers_are_forwarded
//! cargo test -p outbound-tests client_table -- --nocapture      # prints the table of the crate's documentation
//! ```

mod cell;
mod checks;
mod document;
mod kinds;
mod peer;
mod resolver;
mod scenarios;
mod tally;

use std::process::ExitCode;

use outbound_tests::cells::Program;

fn main() -> ExitCode {
    let mut program = Program::new("client_table");
    let tally = tally::Tally::default();
    for scenario in scenarios::ALL {
        for kind in kinds::ALL {
            let tally = tally.clone();
            program.test(&scenario.path(kind), move || tally.run(kind, scenario));
        }
    }
    checks::add(&mut program);
    let prints = program.prints();
    program.run(|| {
        tally.print_summary(prints);
        Vec::new()
    })
}
