//! The latency that telemetry adds to a service while its receiver fails, and the memory it uses.
//!
//! `cargo bench -p outbound-tests --bench telemetry_load`; with `-- memory` or `-- far`, what those modules say.

mod far;
mod memory;
mod service;

#[path = "../telemetry_faults/drive.rs"]
#[allow(dead_code, reason = "only its list of faults is used here")]
mod drive;

use std::time::Duration;

use outbound_tests::latency::percentile;
use outbound_tests::otlp::{Fault, Front, FrontProtocol, Receiver};
use tokio::time::Instant;
use tower_outbound::Outbound;
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

/// Spans recorded before the measurement. The fault decides how many stay in the queue.
const QUEUED: usize = 10_000;
const ROUNDS: usize = 21;
const REQUESTS: usize = 250;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "memory") {
        memory::curve();
        return;
    }
    if std::env::args().any(|argument| argument == "far") {
        far::run().await;
        return;
    }
    println!(
        "{ROUNDS} interleaved pairs of {REQUESTS} requests each, without and with telemetry; {QUEUED} spans queued;\n\
         ratios are the medians of the pairs'\n\
         {:<50} {:>9} {:>9} {:>6} {:>6} {:>9} {:>9} {:>9}",
        "fault", "p99 off", "p99 on", "p99", "p50", "lost", "not got", "shutdown"
    );
    if is_selected("no telemetry in either") {
        control().await;
    }
    for protocol in [FrontProtocol::Http, FrontProtocol::Grpc] {
        for (fault, _) in drive::faults(protocol) {
            if is_selected(&format!("{protocol:?} {fault:?}")) {
                measure(protocol, fault).await;
            }
        }
    }
}

/// Whether the name starts with one of the arguments, or there are none.
fn is_selected(name: &str) -> bool {
    let mut prefixes = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    prefixes.peek().is_none() || prefixes.any(|prefix| name.starts_with(&prefix))
}

async fn measure(protocol: FrontProtocol, fault: Fault) {
    let receiver = Receiver::start().await.unwrap();
    let upstream = match protocol {
        FrontProtocol::Http => receiver.http_address(),
        FrontProtocol::Grpc => receiver.grpc_address(),
    };
    let front = Front::start(upstream, protocol).unwrap();
    front.set(fault);
    let lookup = |key: &str| (key == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| QUEUED.to_string());
    let builder = Telemetry::builder("shop").lookup(lookup).without_globals().endpoint(front.endpoint());
    let builder = builder.protocol(match protocol {
        FrontProtocol::Http => OtlpProtocol::HttpProtobuf,
        FrontProtocol::Grpc => OtlpProtocol::Grpc,
    });
    let telemetry = builder.build().unwrap();

    let upstream = service::upstream();
    let off = service::start(Outbound::new().client(), upstream).await;
    let observed = Outbound::builder().observer(telemetry.observer().build()).build().client();
    let on = service::start(observed, upstream).await;
    drive::record(&telemetry, QUEUED as u64);

    let measured = interleaved([&off, &on]).await;

    let begin = Instant::now();
    let report = telemetry.shutdown().await;
    let took = begin.elapsed();
    let spans = report.spans();
    let got = receiver.span_ids().len() as u64;
    let not_got = spans.delivered() + spans.lost() - got;
    let rest = format!("{:>9} {not_got:>9} {:>9}", spans.lost(), format!("{took:.2?}"));
    measured.print(&format!("{protocol:?} {fault:?}"), &rest);
}

/// Measures two equal services: the noise of the ratios.
async fn control() {
    let upstream = service::upstream();
    let one = service::start(Outbound::new().client(), upstream).await;
    let other = service::start(Outbound::new().client(), upstream).await;
    interleaved([&one, &other]).await.print("no telemetry in either", "");
}

/// The sorted latencies of each round, without and with telemetry.
struct Measured([Vec<Vec<Duration>>; 2]);

async fn interleaved(services: [&str; 2]) -> Measured {
    let caller = Outbound::new().client();
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            let mut latencies = service::latencies(&caller, services[which], REQUESTS).await;
            latencies.sort_unstable();
            rounds[which].push(latencies);
        }
    }
    Measured(rounds)
}

impl Measured {
    fn ratio(&self, percent: f64) -> f64 {
        let [off, on] = &self.0;
        let seconds = |latencies: &Vec<Duration>| percentile(latencies, percent).as_secs_f64();
        let mut ratios: Vec<_> = on.iter().zip(off).map(|(on, off)| seconds(on) / seconds(off)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }

    fn print(&self, name: &str, rest: &str) {
        let [off, on] = self.0.each_ref().map(|rounds| {
            let mut p99s: Vec<_> = rounds.iter().map(|latencies| percentile(latencies, 99.0)).collect();
            p99s.sort_unstable();
            micros(p99s[p99s.len() / 2])
        });
        println!("{name:<50} {off:>9} {on:>9} {:>6.3} {:>6.3} {rest}", self.ratio(99.0), self.ratio(50.0));
    }
}

fn micros(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}
