//! Runs a pipeline against a front: first healthy, then with a fault until the shutdown.

use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use outbound_tests::otlp::{Fault, Front, FrontProtocol};
use tokio::time::Instant;
use tower_outbound_telemetry::{Loss, OtlpProtocol, Report, Telemetry};

/// Spans recorded before the fault.
pub(crate) const BEFORE: u64 = 300;
/// Spans recorded during the fault, more than the queue holds.
pub(crate) const UNDER: u64 = 3_000;
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// For what a receiver answers finally: a busy machine must not end a batch that the receiver has.
const PATIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// The protocol of the front.
pub(crate) fn front_protocol(protocol: OtlpProtocol) -> FrontProtocol {
    if protocol == OtlpProtocol::Grpc { FrontProtocol::Grpc } else { FrontProtocol::Http }
}

/// The report and the duration of a pipeline's shutdown, and how long it may take.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) shutdown: Duration,
    limit: Duration,
}

/// Every fault, with its possible loss reasons other than a full queue.
pub(crate) fn faults(protocol: FrontProtocol) -> Vec<(Fault, &'static [Loss])> {
    let second = Some(Duration::from_secs(1));
    vec![
        (Fault::None, &[]),
        (Fault::Refused, &[Loss::Refused]),
        (Fault::Silent, &[Loss::TimedOut]),
        (Fault::Hanging, &[Loss::TimedOut]),
        (Fault::Slow(Duration::from_millis(100)), &[]),
        (Fault::Garbage, &[Loss::Broken]),
        (Fault::TooMany { retry_after: second }, &[Loss::Rejected]),
        (Fault::Unavailable { retry_after: None }, &[Loss::Rejected]),
        (Fault::Unavailable { retry_after: second }, &[Loss::Rejected]),
        (Fault::Rejects, &[Loss::Rejected]),
        (Fault::Partial(3), &[Loss::Rejected]),
        (Fault::CutHead, &[Loss::Broken]),
        match protocol {
            FrontProtocol::Http => (Fault::CutBody, &[]),
            FrontProtocol::Grpc => (Fault::CutBody, &[Loss::Broken]),
        },
    ]
}

/// Whether the receiver answers each batch finally, and soon.
fn answers_finally(protocol: OtlpProtocol, fault: Fault) -> bool {
    match fault {
        Fault::None | Fault::Rejects | Fault::Partial(_) | Fault::Slow(_) => true,
        Fault::CutBody => protocol != OtlpProtocol::Grpc,
        _ => false,
    }
}

/// A pipeline for a fault, with its timeout for the shutdown. A batch that may never be answered has 500 ms.
pub(crate) fn telemetry(front: &Front, protocol: OtlpProtocol, fault: Fault) -> (Telemetry, Duration) {
    let patient = answers_finally(protocol, fault);
    let batch = if patient { "30000" } else { "500" };
    let shutdown = if patient { PATIENT_TIMEOUT } else { SHUTDOWN_TIMEOUT };
    let lookup = move |key: &str| {
        let value = match key {
            "OTEL_BSP_SCHEDULE_DELAY" => "50",
            "OTEL_EXPORTER_OTLP_TIMEOUT" => batch,
            _ => return None,
        };
        Some(value.to_owned())
    };
    (with(front, protocol, shutdown, lookup), shutdown)
}

fn with(
    front: &Front,
    protocol: OtlpProtocol,
    shutdown_timeout: Duration,
    lookup: impl Fn(&str) -> Option<String> + Send + 'static,
) -> Telemetry {
    let builder =
        Telemetry::builder("shop").lookup(lookup).without_globals().shutdown_timeout(shutdown_timeout);
    builder.protocol(protocol).endpoint(front.endpoint()).build().unwrap()
}

pub(crate) fn record(telemetry: &Telemetry, spans: u64) {
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    for _ in 0..spans {
        tracer.start("a span").end();
    }
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
}

/// Records spans without a fault, then with the fault until the shutdown.
pub(crate) fn run(front: &Front, protocol: OtlpProtocol, fault: Fault) -> Outcome {
    let (telemetry, limit) = telemetry(front, protocol, fault);
    record(&telemetry, BEFORE);
    let before = telemetry.force_flush().unwrap();
    assert_eq!((before.spans().delivered(), before.spans().lost()), (BEFORE, 0), "{before}");
    front.set(fault);
    record(&telemetry, UNDER);
    let begin = Instant::now();
    let report = telemetry.shutdown_blocking();
    Outcome { report, shutdown: begin.elapsed(), limit }
}

/// Checks that the reported losses equal the spans that the receiver did not get, that their reasons are expected, and
/// that the shutdown meets its timeout.
pub(crate) fn assert_exact(outcome: &Outcome, got: u64, fault: Fault, reasons: &[Loss]) {
    let spans = outcome.report.spans();
    assert_eq!(spans.delivered(), got, "{fault:?}: {}", outcome.report);
    assert_eq!(spans.lost(), BEFORE + UNDER - got, "{fault:?}: {}", outcome.report);
    for (reason, lost) in spans.losses().chain(outcome.report.metric_exports().losses()) {
        let expected = reason == Loss::QueueFull || reasons.contains(&reason);
        assert!(expected, "{fault:?}: {lost} lost by {reason}");
    }
    if let [reason] = reasons {
        assert!(spans.lost_by(*reason) > 0, "{fault:?}: {}", outcome.report);
    }
    assert!(
        outcome.shutdown < outcome.limit + Duration::from_millis(500),
        "{fault:?}: {:?}",
        outcome.shutdown
    );
}

/// A pipeline with default timeouts, long enough for a restart of the receiver.
pub(crate) fn long_lived(front: &Front, protocol: OtlpProtocol) -> Telemetry {
    with(front, protocol, SHUTDOWN_TIMEOUT, |_| None)
}
