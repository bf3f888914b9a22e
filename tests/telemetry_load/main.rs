//! What telemetry costs a service while its receiver is in trouble, and what it keeps in memory.
//!
//! `cargo bench -p outbound-tests --bench telemetry_load`

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
use tower_outbound_otel::{OtlpProtocol, Telemetry};

/// Spans that wait, or as many as the fault lets wait.
const QUEUED: usize = 10_000;
const ROUNDS: usize = 30;
const REQUESTS: usize = 250;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "memory") {
        memory::curve();
        return;
    }
    println!(
        "{ROUNDS} interleaved rounds of {REQUESTS} requests each, with and without telemetry; {QUEUED} spans queued\n\
         {:<50} {:>9} {:>9} {:>6} {:>6} {:>9} {:>9} {:>9}",
        "fault", "p99 off", "p99 on", "ratio", "p50", "lost", "not got", "shutdown"
    );
    for protocol in [FrontProtocol::Http, FrontProtocol::Grpc] {
        for (fault, _) in drive::faults(protocol) {
            if wanted(&format!("{protocol:?} {fault:?}")) {
                measure(protocol, fault).await;
            }
        }
    }
}

/// An argument picks the faults that begin so.
fn wanted(name: &str) -> bool {
    let mut picked = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    picked.peek().is_none() || picked.any(|argument| name.starts_with(&argument))
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

    let caller = Outbound::new().client();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let mut order = [(&off, &mut without), (&on, &mut with)];
        if round % 2 == 1 {
            order.reverse();
        }
        for (service, latencies) in order {
            latencies.extend(service::latencies(&caller, service, REQUESTS).await);
        }
    }
    without.sort_unstable();
    with.sort_unstable();

    let begin = Instant::now();
    let report = telemetry.shutdown().await;
    let took = begin.elapsed();
    let spans = report.spans();
    let got = receiver.span_ids().len() as u64 + front.kept_spans() as u64;
    let not_got = spans.delivered() + spans.lost() - got;
    let ratio = |p: f64| percentile(&with, p).as_secs_f64() / percentile(&without, p).as_secs_f64();
    println!(
        "{:<50} {:>9} {:>9} {:>6.3} {:>6.3} {:>9} {:>9} {:>9}",
        format!("{protocol:?} {fault:?}"),
        micros(percentile(&without, 99.0)),
        micros(percentile(&with, 99.0)),
        ratio(99.0),
        ratio(50.0),
        spans.lost(),
        not_got,
        format!("{took:.2?}"),
    );
}

fn micros(duration: Duration) -> String {
    format!("{} µs", duration.as_micros())
}
