//! The table of metrics.

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::*;
use crate::console::ConsoleMetricExporter;

fn meters(service: &'static str) -> (SdkMeterProvider, Printed) {
    let printed = Printed::default();
    let exporter = ConsoleMetricExporter::new().with_writer(printed.clone());
    let meters =
        SdkMeterProvider::builder().with_resource(resource(service)).with_periodic_exporter(exporter).build();
    (meters, printed)
}

#[test]
fn console_metrics_export_prints_table_of_all_series() {
    let (meters, printed) = meters("shop");
    let meter = meters.meter("app");
    let requests = meter.u64_counter("app.requests").with_unit("{request}").build();
    requests.add(3, &[KeyValue::new("outbound.outcome", "ok")]);
    requests.add(1, &[KeyValue::new("outbound.outcome", "error")]);
    meter.i64_up_down_counter("app.queue").build().add(-7, &[]);
    meter.f64_gauge("app.load").build().record(0.25, &[]);
    let bounds = vec![0.005, 0.01, 0.1];
    let duration = meter.f64_histogram("app.duration").with_unit("s").with_boundaries(bounds).build();
    for seconds in [0.004, 0.004, 0.004, 0.05] {
        duration.record(seconds, &[KeyValue::new("http.request.method", "GET")]);
    }
    meters.force_flush().unwrap();
    let table = "\
METRICS of shop  value     mean     p50       p99
──────────────────────────────────────────────────
app.duration
  method=GET         4  15.5 ms  ≤ 5 ms  ≤ 100 ms
app.load          0.25
app.queue           -7
app.requests
  outcome=error      1
  outcome=ok         3

";
    assert_eq!(printed.writes(), [table]);
    printed.take();

    requests.add(1, &[KeyValue::new("outbound.outcome", "ok")]);
    meters.force_flush().unwrap();
    assert_eq!(printed.take(), table.replace("outcome=ok         3", "outcome=ok         4"));
}

#[test]
fn console_metrics_last_bucket_bounded_by_max_value() {
    let (meters, printed) = meters("shop");
    let bounds = vec![100.0];
    let size = meters.meter("app").u64_histogram("app.size").with_unit("By").with_boundaries(bounds).build();
    size.record(90, &[]);
    size.record(1210, &[]);
    meters.force_flush().unwrap();
    assert_eq!(
        printed.take(),
        "\
METRICS of shop  value    mean       p50        p99
────────────────────────────────────────────────────
app.size             2  650 By  ≤ 100 By  ≤ 1210 By

"
    );
}

#[test]
fn console_metrics_above_60_series_prints_count_of_rest() {
    let (meters, printed) = meters("unknown_service:shop");
    let requests = meters.meter("app").u64_counter("app.requests").build();
    for number in 10..74 {
        requests.add(1, &[KeyValue::new("number", number)]);
    }
    meters.force_flush().unwrap();
    let text = printed.take();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 1 + 1 + 60 + 1 + 1, "title, line, metric, series, the rest, an empty line");
    assert_eq!(lines[0].split_whitespace().next(), Some("METRICS"));
    assert!(!lines[0].contains("unknown_service"));
    assert_eq!((lines[3], lines[62]), ("  number=10       1", "  number=69       1"));
    assert_eq!(lines[63], "… and 4 more series");
}

#[test]
fn console_metrics_long_attributes_wrap_to_next_line() {
    let (meters, printed) = meters("shop");
    let requests = meters.meter("app").u64_counter("app.requests").build();
    let key = |letter: char| KeyValue::new(format!("the.key.{letter}"), "a-value-of-some-length");
    requests.add(7, &('a'..='e').map(key).collect::<Vec<_>>());
    meters.force_flush().unwrap();
    // Of the 100 columns value, mean, p50 and p99 take 23: three attributes are 76, a fourth would be too much.
    assert_eq!(
        printed.take(),
        "\
METRICS of shop                                                               value  mean  p50  p99
────────────────────────────────────────────────────────────────────────────────────────────────────
app.requests
  a=a-value-of-some-length b=a-value-of-some-length c=a-value-of-some-length      7
    d=a-value-of-some-length e=a-value-of-some-length

"
    );
}

#[test]
fn console_metrics_empty_or_after_shutdown_print_nothing() {
    let (meters, printed) = meters("shop");
    let requests = meters.meter("app").u64_counter("app.requests").build();
    meters.force_flush().unwrap();
    assert_eq!(printed.take(), "");
    requests.add(1, &[]);
    meters.shutdown().unwrap();
    assert!(printed.take().contains("\napp.requests         1\n"));
    requests.add(1, &[]);
    assert!(meters.force_flush().is_err());
    assert_eq!(printed.take(), "");
}
