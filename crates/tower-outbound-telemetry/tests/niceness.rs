//! The export's share of the CPU.

#![cfg(target_os = "linux")]

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::otlp::Receiver;
use tower_outbound_telemetry::Telemetry;

/// The niceness of each thread whose name begins so.
fn niceness(name: &str) -> Vec<i32> {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may have ended.
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let of = |stat: String| {
        let (head, fields) = stat.rsplit_once(") ").unwrap();
        // The 19th field, of which two are before the closing parenthesis.
        head.contains(&format!("({name}")).then(|| fields.split(' ').nth(16).unwrap().parse().unwrap())
    };
    stats.filter_map(of).collect()
}

/// A service that has no CPU left does not lose its spans to politeness.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_threads_are_as_nice_as_the_process() {
    let receiver = Receiver::start().await.unwrap();
    let builder = Telemetry::builder("shop").lookup(|_| None).without_globals();
    let telemetry = builder.endpoint(format!("http://{}", receiver.http_address())).build().unwrap();
    telemetry.tracer_provider().unwrap().tracer("test").start("a span").end();
    // The thread that encodes stays for a while.
    let flushed = tokio::task::block_in_place(|| telemetry.force_flush());
    assert!(flushed.is_ok(), "{flushed:?}");
    let (all, export) = (niceness(""), niceness("otlp-"));
    assert!(export.len() >= 2 && all.len() > export.len(), "{all:?} {export:?}");
    assert!(all.iter().all(|nice| *nice == all[0]), "{all:?} {export:?}");
    let report = telemetry.shutdown().await;
    assert!(report.is_complete(), "{report}");
}
