//! Batches under way at the same time.

use std::time::Duration;

use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::otlp::{Fault, Front, FrontProtocol, Receiver};
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

const LIMIT: Duration = Duration::from_secs(10);
const BATCH: usize = 512;

/// A receiver far away answers late: the next batches do not wait for the first one's answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unanswered_batch_does_not_hold_up_the_next_three() {
    for (protocol, front_protocol) in
        [(OtlpProtocol::Grpc, FrontProtocol::Grpc), (OtlpProtocol::HttpProtobuf, FrontProtocol::Http)]
    {
        let receiver = Receiver::start().await.unwrap();
        let address = match protocol {
            OtlpProtocol::Grpc => receiver.grpc_address(),
            _ => receiver.http_address(),
        };
        let front = Front::start(address, front_protocol).unwrap();
        front.set(Fault::Hanging);
        let lookup = |key: &str| (key == "OTEL_METRICS_EXPORTER").then(|| "none".to_owned());
        let builder = Telemetry::builder("shop").lookup(lookup).without_globals().protocol(protocol);
        let builder = builder.endpoint(front.endpoint()).shutdown_timeout(Duration::from_secs(1));
        let telemetry = builder.build().unwrap();
        let tracer = telemetry.tracer_provider().unwrap().tracer("test");
        for batch in 1..=4 {
            for _ in 0..BATCH {
                tracer.start("a span").end();
            }
            assert!(front.wait_for(|front| front.requests() == batch, LIMIT).await, "batch {batch}");
        }
        // The fifth waits in the queue; a receiver in trouble gets no more than four at a time.
        for _ in 0..BATCH {
            tracer.start("a span").end();
        }
        let report = telemetry.shutdown().await;
        assert_eq!((report.spans().lost(), front.requests()), (5 * BATCH as u64, 4), "{report}");
    }
}
