//! What the observer tells, exported for real to a backend that nobody here wrote.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Empty, Full};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use outbound_tests::certs::Certs;
use outbound_tests::peers::Rotel;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::H2Server;
use tower_outbound::Outbound;
use tower_outbound_otel::OtelObserver;

const REQUESTS: usize = 5;
const RECEIVED_WITHIN: Duration = Duration::from_secs(10);

struct Pipeline {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Pipeline {
    fn new(spans: SpanExporter, metrics: MetricExporter) -> Pipeline {
        Pipeline {
            traces: SdkTracerProvider::builder().with_batch_exporter(spans).build(),
            metrics: SdkMeterProvider::builder().with_periodic_exporter(metrics).build(),
        }
    }

    fn over_grpc(endpoint: &str) -> Pipeline {
        let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
        let metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint);
        Pipeline::new(spans.build().unwrap(), metrics.build().unwrap())
    }

    /// To be made and dropped where blocking is allowed.
    fn over_http(endpoint: &str) -> Pipeline {
        let tls = Certs::new("peer.test").client_config(&[]);
        let client = reqwest::blocking::Client::builder().no_proxy().tls_backend_preconfigured(tls);
        let client = client.build().unwrap();
        let spans = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let spans = spans.with_http_client(client.clone()).with_endpoint(format!("{endpoint}/v1/traces"));
        let metrics = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let metrics = metrics.with_http_client(client).with_endpoint(format!("{endpoint}/v1/metrics"));
        Pipeline::new(spans.build().unwrap(), metrics.build().unwrap())
    }

    fn shutdown(self) {
        self.traces.shutdown().unwrap();
        self.metrics.shutdown().unwrap();
    }
}

async fn blocking<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(f).await.unwrap()
}

pub(crate) async fn over_grpc() {
    let rotel = Rotel::start().await.unwrap();
    // The exporter's channel connects on the runtime that it is made in.
    let pipeline = Pipeline::over_grpc(&rotel.grpc_endpoint());
    exports_every_span_and_metric(&rotel, pipeline).await;
}

pub(crate) async fn over_http() {
    let rotel = Rotel::start().await.unwrap();
    let endpoint = rotel.http_endpoint();
    let pipeline = blocking(move || Pipeline::over_http(&endpoint)).await;
    exports_every_span_and_metric(&rotel, pipeline).await;
}

async fn exports_every_span_and_metric(rotel: &Rotel, pipeline: Pipeline) {
    // HTTP/2 with prior knowledge: one connect, and never one that loses a race against the pool.
    let answer = |_| async { Response::new(Full::new(Bytes::from("hello"))) };
    let server = H2Server::builder().start(answer).await.unwrap();
    let recorder = Recorder::new();
    let observer =
        OtelObserver::builder().tracer_provider(&pipeline.traces).meter_provider(&pipeline.metrics);
    let outbound = Outbound::builder().observer(observer.build()).observer(recorder.clone()).build();
    let client = outbound.client_builder().http2_only(true).build();
    for _ in 0..REQUESTS {
        let request = secret::request(&server.uri("/"), Empty::<Bytes>::new());
        client.request(request).await.unwrap().into_body().collect().await.unwrap();
    }
    drop(client);
    recorder.settled().await;
    blocking(|| pipeline.shutdown()).await;

    let host = server.address();
    // A span for each exchange and each phase that took place, none for the head: on HTTP/2 its first byte is
    // its end. Only the first exchange found no connection at hand and made one; an address is not looked up.
    let expected = BTreeMap::from([
        ("GET".to_owned(), REQUESTS),
        (format!("HTTP connection_setup {host}"), 1),
        (format!("HTTP wait_for_connection {host}"), 1),
        ("outbound.body".to_owned(), REQUESTS),
        ("outbound.send".to_owned(), REQUESTS),
        ("outbound.wait".to_owned(), REQUESTS),
        (format!("socket connect {host}"), 1),
    ]);
    let total = expected.values().sum::<usize>();
    assert_eq!(total, 4 * REQUESTS + 3);
    assert!(
        rotel.wait_for(|rotel| rotel.spans() >= total, RECEIVED_WITHIN).await,
        "{} spans of {total}: {:?}",
        rotel.spans(),
        rotel.span_names()
    );
    let mut names = BTreeMap::new();
    for name in rotel.span_names() {
        *names.entry(name).or_insert(0) += 1;
    }
    assert_eq!(names, expected);

    // What has happened, and nothing of what has not: no lookup, no failed or wasted connect. The SDK's own
    // metrics do not count.
    let expected = [
        "http.client.active_requests",
        "http.client.connection.duration",
        "http.client.open_connections",
        "http.client.request.duration",
        "outbound.body.duration",
        "outbound.connect.duration",
        "outbound.connection.closed",
        "outbound.connection.exchanges",
        "outbound.connection.io",
        "outbound.connection.opened",
        "outbound.phase.duration",
        "outbound.requests",
        "outbound.ttfb.duration",
    ];
    let all = |rotel: &Rotel| expected.iter().all(|name| rotel.metric_names().contains(*name));
    assert!(rotel.wait_for(all, RECEIVED_WITHIN).await, "{:?}", rotel.metric_names());
    let ours: Vec<_> =
        rotel.metric_names().into_iter().filter(|name| !name.starts_with("otel.sdk.")).collect();
    assert_eq!(ours, expected);
    let log = rotel.log();
    assert!(log.contains("REDACTED") && !secret::is_in(&log), "a secret was exported");
}
