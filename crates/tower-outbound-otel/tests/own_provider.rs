//! A meter provider of the application receives every metric, with and without the feature `bound`.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower::{Layer, ServiceExt, service_fn};
use tower_outbound::settings::Sources;
use tower_outbound::{BoxError, Deadline, Outbound, RequestExt};
use tower_outbound_otel::OtelObserver;

const BACKOFF: Duration = Duration::from_millis(1);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Every metric of this crate. A metric that is missing here, or is not recorded, fails the test.
const METRICS: [(&str, &str); 30] = [
    ("dns.lookup.duration", "s"),
    ("http.client.active_requests", "{request}"),
    ("http.client.connection.duration", "s"),
    ("http.client.open_connections", "{connection}"),
    ("http.client.request.body.size", "By"),
    ("http.client.request.duration", "s"),
    ("http.client.response.body.size", "By"),
    ("outbound.body.duration", "s"),
    ("outbound.call.attempts", "{request}"),
    ("outbound.config.reload", "{reload}"),
    ("outbound.connect.duration", "s"),
    ("outbound.connect.failed", "{attempt}"),
    ("outbound.connect.wasted", "{attempt}"),
    ("outbound.connection.closed", "{connection}"),
    ("outbound.connection.io", "By"),
    ("outbound.connection.opened", "{connection}"),
    ("outbound.connection.requests", "{request}"),
    ("outbound.deadline.elapsed", "{call}"),
    ("outbound.phase.duration", "s"),
    ("outbound.releases", "{response}"),
    ("outbound.requests", "{request}"),
    ("outbound.resets", "{reset}"),
    ("outbound.retries", "{retry}"),
    ("outbound.retry.delay", "s"),
    ("outbound.retry.given_up", "{call}"),
    ("outbound.slot.limit", "{request}"),
    ("outbound.slot.usage", "{request}"),
    ("outbound.slot.waiting", "{request}"),
    ("outbound.ttfb.duration", "s"),
    ("rpc.client.call.duration", "s"),
];

fn get(uri: impl Into<String>) -> Request<Full<Bytes>> {
    Request::get(uri.into()).body(Full::default()).unwrap()
}

fn busy() -> Ready<Result<Response<Full<Bytes>>, BoxError>> {
    let mut response = Response::new(Full::from("busy"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    ready(Ok(response))
}

/// Two requests in flight, and one that waits for a slot.
async fn queued(outbound: &Outbound, meters: &SdkMeterProvider) {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    let service = outbound.layer().layer(client);
    let uri = server.uri_with("http", "localhost", "/").to_string();
    let held = [
        service.clone().oneshot(get(&uri)).await.unwrap(),
        service.clone().oneshot(get(&uri)).await.unwrap(),
    ];
    let mut waiting = Box::pin(service.oneshot(get(&uri)));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("no slot is free"),
        () = tokio::task::yield_now() => meters.force_flush().unwrap(),
    }
    for response in held {
        response.into_body().collect().await.unwrap();
    }
    waiting.await.unwrap().into_body().collect().await.unwrap();
}

/// The second request starts a connect, and is served by the connection of the first.
async fn wasted(outbound: &Outbound) {
    let (answer, asked, connect) = (Gate::new(), Gate::new(), Gate::new());
    let script = Script::new().read_request().wait(&answer).write(OK).repeat();
    let (server, duplex) = ScriptedServer::duplex(script);
    let (connects, gates) = (Arc::new(AtomicUsize::new(0)), (asked.clone(), connect.clone()));
    let connector = service_fn(move |_: http::Uri| {
        let first = connects.fetch_add(1, Ordering::Relaxed) == 0;
        let (duplex, (asked, connect)) = (duplex.clone(), gates.clone());
        Box::pin(async move {
            if !first {
                asked.open();
                connect.wait().await;
            }
            duplex.connect()
        })
    });
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(connector));
    let service = outbound.attempt_layer().layer(client);
    let send = || {
        let service = service.clone();
        tokio::spawn(async move {
            let response = service.oneshot(get("http://wasted.example/")).await.unwrap();
            response.into_body().collect().await.unwrap();
        })
    };
    let first = send();
    server.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    let second = send();
    asked.wait().await;
    answer.open();
    first.await.unwrap();
    second.await.unwrap();
    connect.open();
    while outbound.connections().len() < 2 {
        tokio::task::yield_now().await;
    }
}

/// Every metric by name: its unit, and the largest sum or count that any export had.
fn exported(exporter: &InMemoryMetricExporter) -> BTreeMap<String, (String, f64)> {
    let mut largest = BTreeMap::new();
    let exports = exporter.get_finished_metrics().unwrap();
    for metric in exports.iter().flat_map(ResourceMetrics::scope_metrics).flat_map(ScopeMetrics::metrics) {
        let unit = metric.unit().to_owned();
        let (_, known) = largest.entry(metric.name().to_owned()).or_insert((unit, 0.0_f64));
        *known = known.max(value(metric));
    }
    largest
}

fn value(metric: &Metric) -> f64 {
    fn of<T: Copy>(data: &MetricData<T>, number: impl Fn(T) -> f64) -> f64 {
        match data {
            MetricData::Sum(sum) => sum.data_points().map(|point| number(point.value())).sum(),
            MetricData::Histogram(histogram) => {
                histogram.data_points().map(|point| point.count() as f64).sum()
            }
            _ => panic!("neither a sum nor a histogram"),
        }
    }
    match metric.data() {
        AggregatedMetrics::F64(data) => of(data, |value| value),
        AggregatedMetrics::U64(data) => of(data, |value| value as f64),
        AggregatedMetrics::I64(data) => of(data, |value| value as f64),
    }
}

#[tokio::test]
async fn own_meter_provider_receives_every_metric() {
    let exporter = InMemoryMetricExporter::default();
    let meters = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
    let observer = OtelObserver::builder().meter_provider(&meters).body_sizes().build();
    let outbound = Outbound::builder()
        .observer(observer)
        .max_in_flight_per_origin(2)
        .retry(|retry| {
            retry.status([StatusCode::SERVICE_UNAVAILABLE]).max_retries(1).backoff(BACKOFF, BACKOFF)
        })
        .build();

    queued(&outbound, &meters).await;
    wasted(&outbound).await;
    // Retried once, then given up; an RPC by its content type.
    let service = outbound.layer().layer(service_fn(|_| busy()));
    for content_type in ["text/plain", "application/grpc"] {
        let mut request = get("http://busy.example/shop.Orders/Get");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let response = service.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let late = get("http://busy.example/").deadline(Deadline::after(Duration::ZERO));
    assert!(service.oneshot(late).await.is_err());
    // A connect that fails.
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(outbound.http_connector()));
    let refused = format!("http://127.0.0.1:{}/", closed_port().unwrap().port());
    assert!(outbound.attempt_layer().layer(client).oneshot(get(refused)).await.is_err());
    while !outbound.connections().is_empty() {
        tokio::task::yield_now().await;
    }
    outbound.reset();
    outbound.reload(&Sources::new().variables([("OUTBOUND_RETRY_MAX_RETRIES", "2")])).unwrap();
    meters.force_flush().unwrap();

    let exported = exported(&exporter);
    let names: Vec<_> = exported.iter().map(|(name, (unit, _))| (name.as_str(), unit.as_str())).collect();
    assert_eq!(names, METRICS);
    for (name, (_, value)) in exported {
        assert!(value > 0.0, "nothing was recorded in {name}");
    }
}
