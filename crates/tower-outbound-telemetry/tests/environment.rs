//! The exporter of `opentelemetry-otlp` reads the process's environment itself. What it finds there is not used: the
//! pipeline's own lookup decides.
//!
//! A process of its own for the environment: this program starts itself.

use std::process::Command;

use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::otlp::Receiver;
use outbound_tests::server::H2Server;
use tower_outbound_telemetry::{Loss, OtlpProtocol, Telemetry, TelemetryBuilder};

const CHILD: &str = "TOWER_OUTBOUND_CHILD";

/// Runs one test of this program with variables.
fn child(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env("RUST_LOG", "warn");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(!text.contains("marker"), "a secret is shown: {text}");
    assert!(!text.contains("opentelemetry-otlp"), "the exporter warns: {text}");
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn builder(variables: &'static [(&str, &str)]) -> TelemetryBuilder {
    let lookup =
        |key: &str| variables.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
    Telemetry::builder("shop").lookup(lookup).without_globals()
}

#[test]
fn environment_is_read_by_the_lookup_only() {
    if !is_child() {
        return child(
            "environment_is_read_by_the_lookup_only",
            &[
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=marker,x-other=marker"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
                ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ],
        );
    }
    // Its log goes to stderr.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let answer = move |request: http::Request<_>| {
            let _ = seen.send(request.into_parts().0);
            async { http::Response::builder().header("grpc-status", "0").body(String::new()).unwrap() }
        };
        let server = H2Server::builder().start(answer).await.unwrap();
        let builder = builder(&[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=from-the-lookup")]);
        let builder = builder.protocol(OtlpProtocol::Grpc).endpoint(format!("http://{}", server.address()));
        let telemetry = builder.build().unwrap();
        let shown = format!("{telemetry:?} {:?}", telemetry.tracer_provider());
        assert!(!shown.contains("marker") && !shown.contains("from-the-lookup"), "{shown}");
        telemetry.tracer_provider().unwrap().tracer("test").start("a span").end();
        let report = telemetry.shutdown().await;
        assert!(report.is_complete() && report.spans().delivered() == 1, "{report}");
        let head = requests.recv().await.unwrap();
        assert_eq!(head.headers["authorization"], "from-the-lookup");
        assert!(
            !head.headers.contains_key("x-other") && !head.headers.contains_key("grpc-encoding"),
            "{head:?}"
        );
    });
}

/// The feature `gzip-http` is on in this build, as another crate may turn it on: the exporter compresses.
#[test]
fn environment_gzip_is_framed_as_compressed() {
    if !is_child() {
        let gzip = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        return child("environment_gzip_is_framed_as_compressed", &[gzip]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for own in [&[] as &[(&str, &str)], &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]] {
        for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson] {
            let receiver = runtime.block_on(Receiver::start()).unwrap();
            let endpoint = match protocol {
                OtlpProtocol::Grpc => receiver.grpc_endpoint(),
                _ => receiver.http_endpoint(),
            };
            let telemetry = builder(own).protocol(protocol).endpoint(endpoint).build().unwrap();
            telemetry.tracer_provider().unwrap().tracer("test").start("a span").end();
            telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(1, &[]);
            let report = telemetry.shutdown_blocking();
            assert!(report.is_complete() && receiver.spans().len() == 1, "{protocol:?}: {report}");
            assert!(receiver.metric_names().contains("a.counter"), "{protocol:?}");
        }
    }
}

/// The exporter's own retry would sleep on the thread, and the shutdown could not cut it.
#[test]
fn environment_timeout_does_not_let_the_exporter_retry() {
    if !is_child() {
        let timeout = ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
        return child("environment_timeout_does_not_let_the_exporter_retry", &[timeout]);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let answer = move |_| {
            let _ = seen.send(());
            async {
                http::Response::builder().status(503).header("retry-after", "30").body(String::new()).unwrap()
            }
        };
        let server = H2Server::builder().start(answer).await.unwrap();
        let telemetry = builder(&[("OTEL_METRICS_EXPORTER", "none")]).protocol(OtlpProtocol::HttpProtobuf);
        let outbound = tower_outbound::Outbound::new().client_builder().http2_only(true).build();
        let telemetry = telemetry.endpoint(format!("http://{}", server.address())).client(outbound);
        let telemetry = telemetry.build().unwrap();
        telemetry.tracer_provider().unwrap().tracer("test").start("a span").end();
        let report = telemetry.shutdown().await;
        assert_eq!(report.spans().lost_by(Loss::Rejected), 1, "{report}");
        assert!(requests.recv().await.is_some() && requests.try_recv().is_err(), "one request");
    });
}
