//! The panels of limits and retries, filled by `bulk`: the gateway has no limit, and retries nothing.

use std::ops::RangeInclusive;

use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{PROMETHEUS, Prometheus};
use serde_json::Value;

use crate::compare::{RANGE, at_last_point, in_buckets};
use crate::files::{self, RULES, RULES_FILE};
use crate::panels::{configuration, nowhere};
use crate::programs;

/// Requests in flight at most.
const SLOTS: f64 = 4.0;
/// The others of 64 workers wait. One that moves on while the metrics are collected is in both, or in none.
const WAITING: RangeInclusive<f64> = 56.0..=64.0;

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("panels_of_limits_and_retries_show_bulk_report", PROMETHEUS, bulk)]
}

async fn bulk() {
    let prometheus = Prometheus::start(&configuration(nowhere()), &[(RULES_FILE, RULES)]).await.unwrap();
    let endpoint = prometheus.otlp_endpoint();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "300"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ];
    let report = programs::run("bulk", &["--json", "--seconds", "4"], &variables).await;
    let count = |value: &Value| value.as_f64().unwrap();

    let [queue, usage, limit, waiting, _] = shown(&prometheus, "Is it one of our limits?", "bulk-held").await;
    let longest = count(&report["held"]["longest_wait_s"]);
    println!("queue p99 {queue} s | the longest wait {longest} s");
    // Half of those that waited gave up after two seconds: the bucket from 1 s to 2.5 s.
    assert!(in_buckets(queue, 2.5, 2.5) && in_buckets(longest, 2.5, 2.5), "{queue}, {longest}");
    println!("in flight {usage}, limit {limit}, waiting {waiting} | {SLOTS} slots, 64 workers");
    assert_eq!([usage, limit], [SLOTS, SLOTS]);
    assert!(WAITING.contains(&waiting), "{waiting}");

    let [retries] = shown(&prometheus, "Is anything retried, and why?", "bulk-released").await;
    let released = count(&report["released"]["drained"]) + count(&report["released"]["closed"]);
    println!("retries {} | released refusals {released}", retries * RANGE.1);
    // The run is cut off while at most as many refusals as slots are being read.
    assert!((retries * RANGE.1 - released).abs() < SLOTS + 1e-6, "{retries}, {released}");
}

/// What the queries of a panel show: counters at their last point, gauges at their highest.
async fn shown<const N: usize>(prometheus: &Prometheus, title: &str, job: &str) -> [f64; N] {
    let panel = files::panels().into_iter().find(|panel| panel.title == title).unwrap();
    let mut values = [f64::NAN; N];
    for (value, query) in values.iter_mut().zip(&panel.queries) {
        let query = match query.contains("rate(") {
            true => query.clone(),
            false => format!("max_over_time(({query})[1m:100ms])"),
        };
        let shown = at_last_point(prometheus, &query, job, ".*").await;
        *value = shown.iter().map(|sample| sample.value).sum();
    }
    values
}
