//! Checks against real software: each runs where its peer is found and is named as skipped elsewhere.

mod faults;
mod keep_alive;
mod nginx;
mod retry;
mod rotel;
mod rotel_export;
mod rotel_faults;
mod runner;

use outbound_tests::peers::{NGINX, ROTEL};
use runner::Check;

fn main() -> std::process::ExitCode {
    let mut checks = vec![
        Check::new("nginx_answers_and_logs_its_connections", NGINX, nginx::answers),
        Check::new("nginx_keep_alive_expires_as_peer_closed", NGINX, keep_alive::expires),
        Check::new("nginx_ends_a_connection_after_three_requests", NGINX, keep_alive::three_requests),
        Check::new("nginx_goes_away_after_two_requests_on_http_2", NGINX, keep_alive::goaway),
        Check::new("rotel_gets_what_the_observer_tells_over_grpc", ROTEL, rotel_export::over_grpc),
        Check::new("rotel_gets_what_the_observer_tells_over_http", ROTEL, rotel_export::over_http),
        Check::new(
            "rotel_behind_each_fault_lacks_what_is_reported_over_grpc",
            ROTEL,
            rotel_faults::over_grpc,
        ),
        Check::new(
            "rotel_behind_each_fault_lacks_what_is_reported_over_http",
            ROTEL,
            rotel_faults::over_http,
        ),
        Check::new("rotel_paused_and_restarted_lacks_nothing", ROTEL, rotel_faults::comes_back),
        Check::new("rotel_counts_every_span_over_http", ROTEL, rotel::counts_every_span),
        Check::new("rotel_paused_answers_once_it_is_resumed", ROTEL, rotel::pauses_and_resumes),
        Check::new("rotel_restarts_on_the_same_ports", ROTEL, rotel::restarts_on_the_same_ports),
        Check::new("rotel_is_reached_through_a_front", ROTEL, rotel::is_reached_through_a_front),
    ];
    checks.extend(retry::checks());
    checks.extend(faults::checks());
    let code = runner::run(&checks);
    println!("{}", faults::summary());
    code
}
