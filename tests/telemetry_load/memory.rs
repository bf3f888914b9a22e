//! Memory use while a million spans cannot be exported.

use std::net::TcpListener;

use tower_outbound_telemetry::Telemetry;

use super::drive;

const STEPS: u64 = 10;
const STEP: u64 = 100_000;

pub(crate) fn curve() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = hanging.local_addr().unwrap();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (fault, address) in [("refused", refused), ("hanging", hanging)] {
        let builder = Telemetry::builder("shop").lookup(|_| None).without_globals();
        let telemetry = builder.endpoint(format!("http://{address}")).build().unwrap();
        println!("{fault}: {} kB resident before", resident());
        for step in 1..=STEPS {
            drive::record(&telemetry, STEP);
            println!("{fault}: {} kB resident after {} spans", resident(), step * STEP);
        }
        println!("{fault}: {}", telemetry.shutdown_blocking());
    }
}

/// Resident memory (`VmRSS`) in kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
