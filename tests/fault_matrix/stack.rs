//! The stack that every cell runs through, and what it tells.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use outbound_tests::recorder::Recorder;
use tower_layer::Layer as _;
use tower_outbound::{
    BoxError, Class, Event, Observe, ObserveRequestBody, Outbound, Outcome, TcpConnector, TimeLimits, Track,
};
use tower_outbound_otel::OtelObserver;

const LIMIT: Duration = Duration::from_secs(9);

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Service = Observe<Client<Track<HttpsConnector<TcpConnector>>, ObserveRequestBody<Body>>>;

/// One cell's client with everything that listens to it.
pub(crate) struct Stack {
    pub(crate) outbound: Outbound,
    pub(crate) service: Service,
    pub(crate) recorder: Recorder,
    /// Of the last exchange that failed.
    pub(crate) class: Arc<Mutex<Option<Class>>>,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
    meters: SdkMeterProvider,
    _traces: SdkTracerProvider,
}

impl Stack {
    pub(crate) fn new(tls: rustls::ClientConfig, tcp: TcpConnector, http2: bool) -> Stack {
        let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone()).build();
        let observer = OtelObserver::builder().tracer_provider(&traces).meter_provider(&meters).build();
        let recorder = Recorder::new();
        let class = Arc::new(Mutex::new(None));
        let told = Arc::clone(&class);
        let classes = move |event: &Event<'_>| {
            if let Event::ExchangeEnded { outcome: Outcome::Failed(failure), .. } = event {
                *told.lock().unwrap() = failure.class();
            }
        };
        let outbound = Outbound::builder().observer(recorder.clone()).observer(observer).observer(classes);
        // The clock is paused where one of them is to be hit.
        let outbound = outbound.time_limits(TimeLimits::new().first_byte(LIMIT).body_idle(LIMIT)).build();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = if http2 {
            https.enable_http2().wrap_connector(tcp)
        } else {
            https.enable_http1().wrap_connector(tcp)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // One attempt is one exchange: what it meets is what is told.
            .retry_canceled_requests(false)
            .http2_only(http2)
            .build(outbound.connector(https));
        let service = outbound.layer().layer(client);
        Stack { outbound, service, recorder, class, spans, metrics, meters, _traces: traces }
    }

    /// The `error.type` of the last exchange on its span, and whether a metric has the same.
    pub(crate) fn error_type(&self, method: &str) -> (Option<String>, bool) {
        let spans = self.spans.get_finished_spans().unwrap();
        let span = spans.iter().rfind(|span| span.name == method).expect("the exchange's span");
        let of = |attributes: &[opentelemetry::KeyValue]| {
            let found = attributes.iter().find(|attribute| attribute.key.as_str() == "error.type");
            found.map(|attribute| attribute.value.to_string())
        };
        let error = of(&span.attributes);
        self.meters.force_flush().unwrap();
        let all = self.metrics.get_finished_metrics().unwrap();
        let scopes = all.last().into_iter().flat_map(ResourceMetrics::scope_metrics);
        let mut durations = scopes.flat_map(ScopeMetrics::metrics).filter_map(|metric| match metric.data() {
            AggregatedMetrics::F64(MetricData::Histogram(data))
                if metric.name() == "http.client.request.duration" =>
            {
                Some(data)
            }
            _ => None,
        });
        let agrees = durations.any(|data| {
            data.data_points().any(|point| of(&point.attributes().cloned().collect::<Vec<_>>()) == error)
        });
        (error, agrees)
    }
}

pub(crate) fn request(method: &str, uri: &Uri, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(body).unwrap()
}
