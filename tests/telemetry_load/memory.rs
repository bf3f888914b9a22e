//! Memory while a million spans find no receiver.

use std::net::TcpListener;

use tower_outbound_telemetry::Telemetry;

use super::drive;

const STEPS: u64 = 10;
const STEP: u64 = 100_000;

pub(crate) fn curve() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = hanging.local_addr().unwrap();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (how, address) in [("refused", refused), ("hanging", hanging)] {
        let builder = Telemetry::builder("shop").lookup(|_| None).without_globals();
        let telemetry = builder.endpoint(format!("http://{address}")).build().unwrap();
        println!("{how}: {} kB resident before", resident());
        for step in 1..=STEPS {
            drive::record(&telemetry, STEP);
            println!("{how}: {} kB resident after {} spans", resident(), step * STEP);
        }
        println!("{how}: {}", telemetry.shutdown_blocking());
    }
}

/// `VmRSS`, kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
