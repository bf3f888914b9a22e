//! `examples/dashboards` on the real Prometheus: what its panels show is what the gateway reports, and its alerts fire.
//!
//! `tests/peers/install prometheus collector` builds both. Without them the tests are skipped; `OUTBOUND_REQUIRE_PEERS=1`
//! makes that a failure. Jaeger, for the traces, is always optional. The programs `gateway` and `bulk` are those beside the test: `cargo test --workspace` builds
//! them.

mod alerts;
mod compare;
mod files;
mod jaeger;
mod limits;
mod panels;
mod programs;
mod promtool;
mod structure;

use outbound_tests::cells::Program;
use outbound_tests::peers::checks;

fn main() -> std::process::ExitCode {
    let mut program = Program::new("dashboards");
    structure::add(&mut program);
    let mut checks = promtool::checks();
    checks.extend(panels::checks());
    checks.extend(limits::checks());
    checks.extend(alerts::checks());
    checks.extend(jaeger::checks());
    checks::run(program, checks, String::new)
}
