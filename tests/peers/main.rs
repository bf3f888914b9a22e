//! Checks against real software: each runs where its peer is found and is named as skipped elsewhere.

mod nginx;
mod rotel;
mod runner;

use outbound_tests::peers::{NGINX, ROTEL};
use runner::Check;

fn main() -> std::process::ExitCode {
    runner::run(&[
        Check::new("nginx_answers_and_logs_its_connections", NGINX, nginx::answers),
        Check::new("rotel_counts_every_span_over_http", ROTEL, rotel::counts_every_span),
    ])
}
