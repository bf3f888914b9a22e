//! The real OpenTelemetry Collector as the receiver: what it wrote to disk is what was sent.
//!
//! `tests/peers/install collector` builds it. Without it the tests are skipped; `OUTBOUND_REQUIRE_PEERS=1` makes that a
//! failure.

mod compare;
mod disk;
mod matrix;
mod memory;
mod model;
mod pipeline;
mod tee;
mod traffic;

use outbound_tests::cells::Program;
use outbound_tests::peers::checks;

fn main() -> std::process::ExitCode {
    let checks = matrix::checks();
    checks::run(Program::new("collector"), checks, String::new)
}
