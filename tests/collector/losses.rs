//! What the pipeline reports as lost is what is missing in the Collector's files.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use outbound_tests::otlp::{Fault, Front, FrontProtocol};
use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{COLLECTOR, Collector, Entrance};
use tokio::runtime::Handle;
use tower_outbound_telemetry::OtlpProtocol::{self, Grpc, HttpJson, HttpProtobuf};
use tower_outbound_telemetry::{Loss, Report, Telemetry};

use crate::disk;
use crate::matrix::RECEIVER;

const MEMORY_LIMITER: &str = include_str!("../peers/collector/memory_limiter.yaml");

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("partial_success_over_grpc", COLLECTOR, || partial_success(Grpc)),
        Check::new("partial_success_over_http", COLLECTOR, || partial_success(HttpProtobuf)),
        Check::new("partial_success_over_json", COLLECTOR, || partial_success(HttpJson)),
        Check::new("memory_limiter_over_grpc", COLLECTOR, || memory_limiter(Grpc)),
        Check::new("memory_limiter_over_http", COLLECTOR, || memory_limiter(HttpProtobuf)),
        Check::new("memory_limiter_over_json", COLLECTOR, || memory_limiter(HttpJson)),
        Check::new("restarts_under_load_over_grpc", COLLECTOR, || restarts(Grpc)),
        Check::new("restarts_under_load_over_http", COLLECTOR, || restarts(HttpProtobuf)),
        Check::new("restarts_under_load_over_json", COLLECTOR, || restarts(HttpJson)),
    ]
}

fn telemetry(protocol: OtlpProtocol, address: SocketAddr, variables: &'static [(&str, &str)]) -> Telemetry {
    let lookup = |key: &str| {
        let given = variables.iter().find(|(name, _)| *name == key);
        given.map(|(_, value)| (*value).to_owned())
    };
    let builder = Telemetry::builder("checks").lookup(lookup).without_globals();
    let builder = builder.shutdown_timeout(Duration::from_secs(2));
    builder.protocol(protocol).endpoint(format!("http://{address}")).build().unwrap()
}

fn address(collector: &Collector, protocol: OtlpProtocol) -> SocketAddr {
    match protocol {
        Grpc => collector.grpc_address(Entrance::Plain),
        _ => collector.http_address(Entrance::Plain),
    }
}

fn record(telemetry: &Telemetry, spans: u64, bytes: usize) {
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    for _ in 0..spans {
        let mut span = tracer.start("a span");
        span.set_attribute(KeyValue::new("payload", "x".repeat(bytes)));
        span.end();
    }
}

/// Fails unless the counts of the report are those of the files, which must be complete.
#[track_caller]
fn is_exact(recorded: u64, report: &Report, collector: &Collector) {
    let spans = disk::spans(&collector.read("traces.jsonl"));
    let ids: BTreeSet<_> = spans.iter().map(|(_, span)| &span.context.span_id).collect();
    let twice = spans.len() - ids.len();
    let arrived = ids.len() as u64;
    println!("recorded {recorded}, in the files {arrived} ({twice} of them twice); {report}");
    assert_eq!(
        (report.spans().delivered(), report.spans().lost()),
        (arrived, recorded - arrived),
        "{report}"
    );
}

/// A front takes seven spans out of each request and says so.
async fn partial_success(protocol: OtlpProtocol) {
    let mut collector = Collector::start(&[RECEIVER]).await.unwrap();
    let front_protocol = if protocol == Grpc { FrontProtocol::Grpc } else { FrontProtocol::Http };
    let front = Front::start(address(&collector, protocol), front_protocol).unwrap();
    let telemetry = telemetry(protocol, front.address(), &[]);
    record(&telemetry, 600, 1);
    front.set(Fault::Partial(7));
    record(&telemetry, 600, 1);
    let report = telemetry.shutdown().await;
    collector.end().await.unwrap();
    assert!(report.spans().lost_by(Loss::Rejected) >= 7, "{report}");
    is_exact(1_200, &report, &collector);
}

/// The Collector fills its memory, then refuses all.
async fn memory_limiter(protocol: OtlpProtocol) {
    const EACH: u64 = 256;
    let mut collector = Collector::start(&[RECEIVER, MEMORY_LIMITER]).await.unwrap();
    let variables = &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")];
    let telemetry = telemetry(protocol, address(&collector, protocol), variables);
    let mut recorded = 0;
    // 256 spans of 8 KiB are 2 MiB: the limit is far below a hundred times that.
    let refused = |telemetry: &Telemetry| telemetry.report().spans().lost() > 0;
    while recorded < 100 * EACH && !refused(&telemetry) {
        record(&telemetry, EACH, 8 << 10);
        recorded += EACH;
        let _ = tokio::task::block_in_place(|| telemetry.force_flush());
    }
    let report = telemetry.shutdown().await;
    assert!(collector.output().contains("Refusing data"), "{}", collector.output());
    collector.end().await.unwrap();
    let spans = report.spans();
    // What was being sent again when its time was up counts as that.
    let refused = spans.lost_by(Loss::Rejected) + spans.lost_by(Loss::TimedOut);
    assert!(spans.delivered() > 0 && refused > 0 && refused == spans.lost(), "{report}");
    is_exact(recorded, &report, &collector);
}

/// Sets the flag when it is dropped.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// 5,000 spans a second, while the Collector restarts three times, then stays away until the queue has been
/// full, and is gone at the end.
async fn restarts(protocol: OtlpProtocol) {
    let mut collector = Collector::start(&[RECEIVER]).await.unwrap();
    let telemetry = telemetry(protocol, address(&collector, protocol), &[]);
    let (recorded, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let load = || {
        while !stop.load(Ordering::Relaxed) {
            record(&telemetry, 10, 1);
            recorded.fetch_add(10, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let until = async |spans: u64| {
        let enough = recorded.load(Ordering::Relaxed) + spans;
        while recorded.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let restarts = async {
        for _ in 0..3 {
            until(1_000).await;
            collector.restart().await.unwrap();
        }
        until(1_000).await;
        collector.end().await.unwrap();
        until(4_000).await;
        let delivered = || telemetry.report().spans().delivered();
        let before = delivered();
        collector.restart().await.unwrap();
        // What had been queued.
        while delivered() < before + 2_000 {
            until(10).await;
        }
        collector.end().await.unwrap();
        until(200).await;
    };
    let runtime = Handle::current();
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            scope.spawn(load);
            // Also if a restart fails: the scope waits for the load.
            let _stop = OnDrop(&stop);
            runtime.block_on(restarts);
        });
    });
    let report = telemetry.shutdown().await;
    let spans = report.spans();
    let queue_full = spans.lost_by(Loss::QueueFull);
    assert!(queue_full > 0 && spans.lost() >= queue_full + 200, "{report}");
    is_exact(recorded.into_inner(), &report, &collector);
}
