use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};

use crate::Telemetry;

#[test]
fn console_alone_counts_what_it_prints_as_delivered() {
    let lookup = |key: &str| key.ends_with("S_EXPORTER").then(|| "console".to_owned());
    let telemetry = Telemetry::builder("shop").lookup(lookup).without_globals().build().unwrap();
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    for _ in 0..3 {
        tracer.start("a span").end();
    }
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
    let report = telemetry.shutdown_blocking();
    assert_eq!(report.to_string(), "spans: 3 delivered, 0 lost; metric exports: 1 delivered, 0 lost");
}
