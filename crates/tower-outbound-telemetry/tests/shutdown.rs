//! Shutdown: no losses, no blocking, no thread left.

use std::future::Future;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::otlp::{Fault, Front, FrontProtocol, Receiver};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;
use tower_outbound_telemetry::{Loss, OtlpProtocol, Report, Telemetry};

const PROTOCOLS: [OtlpProtocol; 3] = [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson];
const RUNS: usize = 20;
const LIMIT: Duration = Duration::from_secs(10);
/// More than a batch and less than the queue.
const SPANS: usize = 700;

/// One test at a time: the tests count the threads of the process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn telemetry(endpoint: String, protocol: OtlpProtocol) -> Telemetry {
    let builder = Telemetry::builder("shop").lookup(|_| None).without_globals();
    builder.protocol(protocol).endpoint(endpoint).build().unwrap()
}

fn to(receiver: &Receiver, protocol: OtlpProtocol) -> Telemetry {
    let endpoint = match protocol {
        OtlpProtocol::Grpc => receiver.grpc_endpoint(),
        _ => receiver.http_endpoint(),
    };
    telemetry(endpoint, protocol)
}

fn record(telemetry: &Telemetry) {
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    for _ in 0..SPANS {
        tracer.start("a span").end();
    }
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn one_worker() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Runs in a task, so that the only worker waits.
fn in_a_task<T: Send + 'static>(runtime: &Runtime, future: impl Future<Output = T> + Send + 'static) -> T {
    runtime.block_on(async { tokio::spawn(future).await.unwrap() })
}

/// The names of the pipeline's threads, which the system cuts to 15 bytes.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let ours = |name: &String| name.starts_with("otlp-") || name.starts_with("OpenTelemetry");
    // The test's receiver has such a name too.
    names.map(|name| name.trim().to_owned()).filter(ours).filter(|name| name != "otlp-receiver").collect()
}

/// The system lists an ended thread for a moment.
fn assert_no_thread_is_left(how: &str) {
    let begin = Instant::now();
    while !threads().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(2), "{how}: {:?}", threads());
        std::thread::yield_now();
    }
}

fn assert_whole(report: Report, receiver: &Receiver, how: &str) {
    assert!(report.is_complete(), "{how}: {report}");
    assert_eq!(report.spans().delivered(), SPANS as u64, "{how}");
    assert_eq!(receiver.spans().len(), SPANS, "{how}");
    assert!(receiver.metric_names().contains("a.counter"), "{how}");
}

#[test]
fn shutdown_delivers_everything_on_every_runtime_repeatedly() {
    let _alone = alone();
    let receiver = || Arc::new(current_thread().block_on(Receiver::start()).unwrap());
    for (protocol, run) in
        PROTOCOLS.into_iter().flat_map(|protocol| (0..RUNS).map(move |run| (protocol, run)))
    {
        let how = |flavour: &str| format!("{protocol:?}, {flavour}, run {run}");
        let async_end = |got: Arc<Receiver>| async move {
            let telemetry = to(&got, protocol);
            record(&telemetry);
            telemetry.shutdown().await
        };

        let got = receiver();
        let report = current_thread().block_on(async_end(Arc::clone(&got)));
        assert_whole(report, &got, &how("on current_thread"));

        let got = receiver();
        let report = in_a_task(&one_worker(), async_end(Arc::clone(&got)));
        assert_whole(report, &got, &how("on one worker"));

        let got = receiver();
        let telemetry = to(&got, protocol);
        record(&telemetry);
        assert_whole(telemetry.shutdown_blocking(), &got, &how("without a runtime"));
        assert_no_thread_is_left(&how("shut down"));
    }
}

#[test]
fn drop_of_telemetry_delivers_before_runtime_ends() {
    let _alone = alone();
    for protocol in PROTOCOLS {
        for (flavour, runtime) in [("current_thread", current_thread()), ("one worker", one_worker())] {
            let got = Arc::new(runtime.block_on(Receiver::start()).unwrap());
            let shared = Arc::clone(&got);
            let guard = async move { record(&to(&shared, protocol)) };
            match flavour {
                "current_thread" => runtime.block_on(guard),
                _ => in_a_task(&runtime, guard),
            }
            drop(runtime);
            assert_eq!(got.spans().len(), SPANS, "{protocol:?} {flavour}");
            assert!(got.metric_names().contains("a.counter"), "{protocol:?} {flavour}");
            assert_no_thread_is_left(flavour);
        }
    }
}

#[test]
fn drop_of_telemetry_blocks_no_worker_if_receiver_hangs() {
    let _alone = alone();
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    for (flavour, runtime) in [("current_thread", current_thread()), ("one worker", one_worker())] {
        let endpoint = endpoint.clone();
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let work = async move {
            let builder = Telemetry::builder("shop").lookup(|_| None).without_globals().endpoint(endpoint);
            let telemetry = builder.shutdown_timeout(Duration::from_secs(1)).build().unwrap();
            record(&telemetry);
            let begin = Instant::now();
            drop(telemetry);
            assert!(begin.elapsed() < Duration::from_millis(500), "{flavour}: {:?}", begin.elapsed());
            // The worker runs other tasks during the shutdown.
            for _ in 0..100 {
                tokio::task::yield_now().await;
                counted.fetch_add(1, Ordering::Relaxed);
            }
            assert!(!threads().is_empty(), "{flavour}: the shutdown goes on");
        };
        match flavour {
            "current_thread" => runtime.block_on(work),
            _ => in_a_task(&runtime, work),
        }
        assert_eq!(turns.load(Ordering::Relaxed), 100);
        drop(runtime);
        assert_no_thread_is_left(flavour);
    }
}

#[test]
fn shutdown_timeout_kept_and_no_thread_left_if_receiver_hangs() {
    let _alone = alone();
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    for protocol in PROTOCOLS {
        let endpoint = format!("http://{}", hanging.local_addr().unwrap());
        let timeout = Duration::from_secs(1);
        let builder = Telemetry::builder("shop").lookup(|_| None).without_globals().shutdown_timeout(timeout);
        let telemetry = builder.protocol(protocol).endpoint(endpoint).build().unwrap();
        record(&telemetry);
        let begin = Instant::now();
        let report = telemetry.shutdown_blocking();
        let took = begin.elapsed();
        assert!(took < timeout + Duration::from_millis(500), "{took:?}");
        assert_eq!(report.spans().lost_by(Loss::TimedOut), SPANS as u64, "{report}");
        assert_eq!(report.metric_exports().lost_by(Loss::TimedOut), 1, "{report}");
        assert_no_thread_is_left(&format!("{protocol:?}"));
    }
}

#[test]
fn shutdown_timeout_max_does_not_panic_and_delivers() {
    let _alone = alone();
    let got = current_thread().block_on(Receiver::start()).unwrap();
    let builder = Telemetry::builder("shop").lookup(|_| None).without_globals().endpoint(got.http_endpoint());
    let telemetry = builder.shutdown_timeout(Duration::MAX).build().unwrap();
    record(&telemetry);
    assert_whole(telemetry.shutdown_blocking(), &got, "without a timeout");
}

#[test]
fn shutdown_counts_hanging_metric_export_as_timed_out() {
    let _alone = alone();
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let lookup = |key: &str| match key {
        "OTEL_METRIC_EXPORT_INTERVAL" => Some("1".to_owned()),
        "OTEL_TRACES_EXPORTER" => Some("none".to_owned()),
        _ => None,
    };
    let builder = Telemetry::builder("shop").lookup(lookup).without_globals().endpoint(endpoint);
    let telemetry = builder.shutdown_timeout(Duration::from_secs(60)).build().unwrap();
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
    // One export is in progress; the last one follows.
    let _connection = hanging.accept().unwrap();
    let report = telemetry.shutdown_blocking();
    assert_eq!(report.metric_exports().lost_by(Loss::TimedOut), 2, "{report}");
    assert_eq!(report.metric_exports().lost(), 2, "{report}");
    assert_no_thread_is_left("metrics only");
}

#[test]
fn flush_timeout_is_five_seconds_if_receiver_hangs() {
    let _alone = alone();
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hanging.local_addr().unwrap());
    let lookup = |key: &str| match key {
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("20000".to_owned()),
        "OTEL_TRACES_EXPORTER" => Some("none".to_owned()),
        _ => None,
    };
    let builder = Telemetry::builder("shop").lookup(lookup).without_globals().endpoint(endpoint);
    let telemetry = builder.shutdown_timeout(Duration::ZERO).build().unwrap();
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
    let begin = Instant::now();
    let flushed = telemetry.force_flush();
    let took = begin.elapsed();
    assert!(flushed.is_err() && took < Duration::from_millis(5_500), "{flushed:?} after {took:?}");
    let report = telemetry.shutdown_blocking();
    assert_eq!(report.metric_exports().lost_by(Loss::TimedOut), 2, "{report}");
    assert_no_thread_is_left("flushed");
}

/// The first attempt is refused with 503. The receiver is as good as that when the time is up, also for what is queued.
#[test]
fn shutdown_counts_queue_of_refusing_receiver_as_rejected() {
    let _alone = alone();
    for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf] {
        let got = current_thread().block_on(Receiver::start()).unwrap();
        let (address, front) = match protocol {
            OtlpProtocol::Grpc => (got.grpc_address(), FrontProtocol::Grpc),
            _ => (got.http_address(), FrontProtocol::Http),
        };
        let front = Front::start(address, front).unwrap();
        front.set(Fault::Unavailable { retry_after: None });
        let lookup = |key: &str| (key == "OTEL_METRICS_EXPORTER").then(|| "none".to_owned());
        let builder = Telemetry::builder("shop").lookup(lookup).without_globals().protocol(protocol);
        let builder = builder.endpoint(front.endpoint()).shutdown_timeout(Duration::from_millis(500));
        let telemetry = builder.build().unwrap();
        let tracer = telemetry.tracer_provider().unwrap().tracer("test");
        let refused =
            |count| current_thread().block_on(front.wait_for(|front| front.requests() >= count, LIMIT));
        for _ in 0..512 {
            tracer.start("a span").end();
        }
        assert!(refused(1));
        front.set(Fault::Hanging);
        for _ in 0..2_000 {
            tracer.start("a span").end();
        }
        assert!(refused(5), "the second attempt, and the first ones of three more batches");
        let report = telemetry.shutdown_blocking();
        let spans = report.spans();
        assert_eq!((spans.lost_by(Loss::Rejected), spans.lost()), (2_512, 2_512), "{protocol:?}: {report}");
    }
}
