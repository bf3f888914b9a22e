//! A receiver that is far away: spans lost at a steady rate, and how many requests were under way.
//!
//! `cargo bench -p outbound-tests --bench telemetry_load -- far`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

const SECONDS: u32 = 5;
const TICKS: u32 = 100;

#[derive(Clone, Default)]
struct UnderWay {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

pub(crate) async fn run() {
    for (away, rate) in [(50, 12_000), (200, 5_000)] {
        let away = Duration::from_millis(away);
        let under_way = UnderWay::default();
        let endpoint = receiver(away, under_way.clone());
        let lookup = |key: &str| (key == "OTEL_METRICS_EXPORTER").then(|| "none".to_owned());
        let builder = Telemetry::builder("shop").lookup(lookup).without_globals().endpoint(endpoint);
        let telemetry = builder.protocol(OtlpProtocol::HttpProtobuf).build().unwrap();
        let tracer = telemetry.tracer_provider().unwrap().tracer("test");
        let mut ticks = interval(Duration::from_secs(1) / TICKS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let begin = Instant::now();
        for _ in 0..SECONDS * TICKS {
            ticks.tick().await;
            for _ in 0..rate / TICKS {
                tracer.start("a span").end();
            }
        }
        let took = begin.elapsed();
        let report = telemetry.shutdown().await;
        let most = under_way.most.load(Ordering::Relaxed);
        println!("{away:?} away, {rate} spans/s for {took:.1?}, at most {most} requests at a time: {report}");
    }
}

/// On its own thread. Every request is answered after `away`.
fn receiver(away: Duration, under_way: UnderWay) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = async move |State(under_way): State<UnderWay>| {
            let now = under_way.now.fetch_add(1, Ordering::Relaxed) + 1;
            under_way.most.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(away).await;
            under_way.now.fetch_sub(1, Ordering::Relaxed);
        };
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let router = Router::new().route("/v1/traces", post(answer)).with_state(under_way);
            axum::serve(listener, router).await.unwrap();
        });
    });
    endpoint
}
