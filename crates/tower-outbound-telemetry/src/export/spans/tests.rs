use std::net::TcpListener;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};

use super::super::exporters::{Exporters, Given};
use super::*;
use crate::settings::{Choices, Settings};

/// A queue of `size` spans and a receiver that refuses connections. The next export interval is in 24 days.
fn start(size: &'static str) -> (ExportThread, SpanQueue) {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lookup = move |key: &str| match key {
        "OTEL_BSP_MAX_QUEUE_SIZE" => Some(size.to_owned()),
        "OTEL_BSP_SCHEDULE_DELAY" => Some("2147483647".to_owned()),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("1".to_owned()),
        _ => None,
    };
    let mut choices = Choices::new("shop".to_owned());
    choices.endpoint = Some(format!("http://{refused}"));
    let settings = Settings::resolve(&choices, &lookup);
    let (thread, stats) = (ExportThread::start().unwrap(), Arc::default());
    let (client, given, warnings) = (None, &mut Given::default(), &mut Vec::new());
    let mut exporters =
        Exporters { thread: &thread, client, given, stats: &stats, warnings, announcement: &Arc::default() };
    let export = settings.traces.otlp.as_ref().unwrap();
    let queue = exporters.spans(export, &settings.batch, settings.limits, &settings.resource()).unwrap();
    (thread, queue)
}

fn span() -> SpanData {
    let (trace, span) = (TraceId::from(1), SpanId::from(1));
    SpanData {
        span_context: SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::default()),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "a span".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn wait_for(queue: &SpanQueue, lost: u64) {
    let begin = Instant::now();
    while queue.shared.stats.spans.tally().lost() < lost {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", queue.shared.stats.spans.tally());
        std::thread::yield_now();
    }
}

#[test]
fn queue_full_span_is_lost_and_the_next_exported_at_once() {
    // Each span is a full batch.
    let (_thread, queue) = start("1");
    // So that the first interval is over.
    queue.on_end(span());
    wait_for(&queue, 1);
    // Another thread has counted its span.
    queue.shared.queued.fetch_add(1, SeqCst);
    queue.on_end(span());
    assert_eq!(queue.shared.stats.spans.tally().lost_by(Loss::QueueFull), 1);
    queue.shared.queued.fetch_sub(1, SeqCst);
    queue.on_end(span());
    wait_for(&queue, 3);
    assert_eq!(queue.shared.stats.spans.tally().lost_by(Loss::QueueFull), 1);
}

#[test]
fn shutdown_counts_spans_ended_before_during_and_after() {
    for round in 0..20 {
        let (_thread, queue) = start("2048");
        let (ended, done) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        queue.on_end(span());
                        ended.fetch_add(1, Relaxed);
                    }
                });
            }
            while ended.load(Relaxed) < 100 {
                std::thread::yield_now();
            }
            queue.shutdown_with_timeout(Duration::from_secs(5)).unwrap();
            done.store(true, Relaxed);
        });
        let tally = queue.shared.stats.spans.tally();
        assert_eq!(tally.lost(), ended.load(Relaxed), "round {round}: {tally}");
    }
}
