//! Checks against real software. A check is skipped if its peer is not installed.
//!
//! Each is a test `peers::<peer>::<check>`. `tests/peers/install` installs the peers; `OUTBOUND_REQUIRE_PEERS=1` makes
//! a missing one a failure.

mod faults;
mod keep_alive;
mod nginx;
mod page;
mod retry;
mod rotel;
mod rotel_export;
mod rotel_faults;

use outbound_tests::cells::Program;
use outbound_tests::peers::checks::{self, Check};
use outbound_tests::peers::{CHROMIUM, NGINX, ROTEL};

fn main() -> std::process::ExitCode {
    let mut checks = vec![
        Check::new("answers_and_logs_its_connections", NGINX, nginx::answers),
        Check::new("keep_alive_timeout_closes_as_peer_closed", NGINX, keep_alive::expires),
        Check::new("keep_alive_timeout_of_server_is_heeded", NGINX, keep_alive::heeded),
        Check::new("keep_alive_requests_closes_after_three_requests", NGINX, keep_alive::three_requests),
        Check::new("expect_continue_uploads_are_one_use_each", NGINX, keep_alive::expect_continue),
        Check::new("goaway_after_two_requests_loses_no_request", NGINX, keep_alive::goaway),
        Check::new("page_agrees_with_connections_and_peer", CHROMIUM, page::agrees),
        Check::new("page_open_under_load_counts_every_request", CHROMIUM, page::under_load),
        Check::new("export_over_grpc_is_complete", ROTEL, rotel_export::over_grpc),
        Check::new("export_over_http_is_complete", ROTEL, rotel_export::over_http),
        Check::new("export_fault_loses_what_is_reported_over_grpc", ROTEL, rotel_faults::over_grpc),
        Check::new("export_fault_loses_what_is_reported_over_http", ROTEL, rotel_faults::over_http),
        Check::new("export_to_restarted_collector_loses_nothing", ROTEL, rotel_faults::comes_back),
        Check::new("counts_every_span_over_http", ROTEL, rotel::counts_every_span),
        Check::new("pause_ends_with_resume", ROTEL, rotel::pauses_and_resumes),
        Check::new("restart_keeps_the_ports", ROTEL, rotel::restarts_on_the_same_ports),
        Check::new("front_forwards_to_collector", ROTEL, rotel::is_reached_through_a_front),
    ];
    checks.extend(retry::checks());
    checks.extend(faults::checks());
    // Some checks measure time.
    checks::run(Program::new("peers").one_at_a_time(), checks, faults::summary)
}
