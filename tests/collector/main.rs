//! The real OpenTelemetry Collector as the receiver: what it wrote to disk is what was sent.
//!
//! `tests/peers/install collector` builds it. Without it the tests are skipped; `OUTBOUND_REQUIRE_PEERS=1` makes that a
//! failure.

mod compare;
mod conventions;
mod cost;
mod disk;
mod losses;
mod matrix;
mod memory;
mod model;
mod pipeline;
mod tail_sampling;
mod tee;
mod traffic;

use outbound_tests::cells::Program;
use outbound_tests::peers::checks;

fn main() -> std::process::ExitCode {
    let mut checks = matrix::checks();
    checks.extend(losses::checks());
    checks.extend(conventions::checks());
    checks.extend(tail_sampling::checks());
    checks.extend(cost::checks());
    checks::run(Program::new("collector"), checks, String::new)
}
