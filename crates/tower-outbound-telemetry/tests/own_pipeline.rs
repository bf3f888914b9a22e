//! The observer alone, with a pipeline that the application has made with `opentelemetry-otlp`.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::Context;
use opentelemetry::trace::FutureExt as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use outbound_tests::otlp::Receiver;
use outbound_tests::server::H2Server;
use tower_outbound::{Outbound, OutboundClient};
use tower_outbound_otel::OtelObserver;

fn providers(spans: SpanExporter, metrics: MetricExporter) -> (SdkTracerProvider, SdkMeterProvider) {
    let resource = Resource::builder().with_service_name("shop").build();
    let traces = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans);
    let meters = SdkMeterProvider::builder().with_resource(resource).with_periodic_exporter(metrics);
    (traces.build(), meters.build())
}

fn observer((traces, meters): &(SdkTracerProvider, SdkMeterProvider)) -> OtelObserver {
    OtelObserver::builder().tracer_provider(traces).meter_provider(meters).build()
}

/// Sends three requests, and ends the pipeline as its documentation says.
async fn run(client: &OutboundClient, providers: (SdkTracerProvider, SdkMeterProvider)) {
    let server = H2Server::builder().start(async |_| Response::new(String::new())).await.unwrap();
    for _ in 0..3 {
        let _ = client.get(server.uri("/").to_string()).await.unwrap();
    }
    let end = move || {
        providers.0.shutdown().unwrap();
        providers.1.shutdown().unwrap();
    };
    tokio::task::spawn_blocking(end).await.unwrap();
}

/// The three attempts and what belongs to them, and nothing of the export.
fn assert_received(receiver: &Receiver, how: &str) {
    let spans = receiver.spans();
    assert_eq!(spans.iter().filter(|span| span.name() == "GET").count(), 3, "{how}: {spans:?}");
    let scopes: BTreeSet<_> = spans.iter().map(|span| &*span.scope).collect();
    assert_eq!(scopes, BTreeSet::from(["tower-outbound-otel"]), "{how}");
    let exports =
        [receiver.http_address(), receiver.grpc_address()].map(|address| address.port().to_string());
    for span in &spans {
        let port = span.attr("server.port").unwrap_or_default();
        assert!(span.name() != "POST" && !exports.contains(&port), "{how}: a span of the export: {span:?}");
    }
    let metrics = receiver.metrics();
    let durations = metrics.iter().filter(|metric| metric.name() == "http.client.request.duration");
    for point in durations.flat_map(outbound_tests::otlp::Metric::points) {
        assert_eq!(point.attr("http.request.method"), Some("GET"), "{how}: {point:?}");
    }
    assert!(receiver.metric_names().contains("http.client.request.duration"), "{how}");
}

fn client(observer: OtelObserver) -> OutboundClient {
    Outbound::builder().observer(observer).build().client_builder().http2_only(true).build()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_pipeline_over_grpc_records_attempts_alone() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.grpc_endpoint();
    let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint.clone()).build().unwrap();
    let metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build().unwrap();
    let providers = providers(spans, metrics);
    run(&client(observer(&providers)), providers).await;
    assert_received(&receiver, "tonic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_pipeline_over_blocking_http_records_attempts_alone() {
    let receiver = Receiver::start().await.unwrap();
    let http = |path: &str| format!("{}/v1/{path}", receiver.http_endpoint());
    provide_tls();
    let spans = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let metrics = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    let spans = spans.with_endpoint(http("traces")).build().unwrap();
    let providers = providers(spans, metrics.with_endpoint(http("metrics")).build().unwrap());
    run(&client(observer(&providers)), providers).await;
    assert_received(&receiver, "blocking reqwest");
}

/// An observed client as the exporter's own. The reader's thread has no runtime.
#[derive(Clone, Debug)]
struct Observed(OutboundClient, tokio::runtime::Handle);

#[async_trait::async_trait]
impl HttpClient for Observed {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.0.clone();
        let send = async move {
            let (head, body) = client.request(request.map(http_body_util::Full::new)).await?.into_parts();
            let body = http_body_util::BodyExt::collect(body).await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        // A spawned task does not inherit the suppression.
        self.1.spawn(send.with_context(Context::current())).await?
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_pipeline_over_observed_client_records_attempts_alone() {
    let receiver = Receiver::start().await.unwrap();
    let http = |path: &str| format!("{}/v1/{path}", receiver.http_endpoint());
    // The observer finds the providers later, as global ones.
    let outbound = Outbound::builder().observer(OtelObserver::builder().build()).build();
    let exporting = Observed(outbound.client(), tokio::runtime::Handle::current());
    let spans = SpanExporter::builder().with_http().with_http_client(exporting.clone());
    let metrics = MetricExporter::builder().with_http().with_http_client(exporting);
    let spans = spans.with_protocol(Protocol::HttpBinary).with_endpoint(http("traces")).build().unwrap();
    let metrics = metrics.with_protocol(Protocol::HttpBinary).with_endpoint(http("metrics")).build().unwrap();
    let providers = providers(spans, metrics);
    opentelemetry::global::set_tracer_provider(providers.0.clone());
    opentelemetry::global::set_meter_provider(providers.1.clone());
    let client = outbound.client_builder().http2_only(true).build();
    run(&client, providers).await;
    assert_received(&receiver, "an observed client");
}

/// This build's reqwest has TLS without a provider.
fn provide_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
