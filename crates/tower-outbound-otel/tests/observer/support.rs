//! A stack with an observer, and its spans and metrics.

use std::collections::BTreeMap;
use std::sync::Once;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry::global;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::SpanId;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::{Layer, Service, ServiceExt};
use tower_outbound::{BoxError, Outbound};
use tower_outbound_otel::{OtelObserver, OtelObserverBuilder};

pub(crate) type Body = Empty<Bytes>;
pub(crate) type Answer = Full<Bytes>;
/// The instrumentation scope of spans and metrics, and its schema.
pub(crate) const SCOPE: &str = "tower-outbound-otel";
pub(crate) const SCHEMA: &str = "https://opentelemetry.io/schemas/1.44.0";

pub(crate) type Attributes = BTreeMap<String, String>;

/// A response with a body of two bytes that keeps the connection open.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// In-memory exporters and their providers.
pub(crate) struct Rig {
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
    pub(crate) traces: SdkTracerProvider,
    pub(crate) meters: SdkMeterProvider,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) attributes: Attributes,
    /// The name in the convention: `histogram`, `counter` or `updowncounter`.
    pub(crate) kind: &'static str,
    /// The value of a sum, or the count of a histogram.
    pub(crate) value: f64,
    /// The sum of a histogram.
    pub(crate) sum: f64,
    pub(crate) bounds: Vec<f64>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        static PROPAGATOR: Once = Once::new();
        PROPAGATOR.call_once(|| {
            global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
                Box::new(TraceContextPropagator::new()),
                Box::new(BaggagePropagator::new()),
            ]));
        });
        let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone()).build();
        Self { spans, metrics, traces, meters }
    }

    pub(crate) fn observer(&self) -> OtelObserverBuilder {
        OtelObserver::builder().tracer_provider(&self.traces).meter_provider(&self.meters)
    }

    pub(crate) fn exporter(&self) -> InMemorySpanExporter {
        self.spans.clone()
    }

    pub(crate) fn outbound(&self) -> Outbound {
        Outbound::builder().observer(self.observer().build()).build()
    }

    /// Every ended span. Fails if the SDK's limits dropped an attribute, an event or a link.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        let spans = self.spans.get_finished_spans().unwrap();
        for span in &spans {
            let dropped =
                [span.dropped_attributes_count, span.events.dropped_count, span.links.dropped_count];
            assert_eq!(dropped, [0; 3], "attributes, events and links that {:?} has lost", span.name);
        }
        spans
    }

    /// The only span of this name.
    pub(crate) fn span(&self, name: &str) -> SpanData {
        let mut named: Vec<_> = self.spans().into_iter().filter(|span| span.name == name).collect();
        assert_eq!(named.len(), 1, "one {name:?} among {:?}", self.names());
        named.remove(0)
    }

    /// The names of all spans, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.spans().iter().map(|span| span.name.to_string()).collect();
        names.sort();
        names
    }

    /// The current metrics, with their units.
    pub(crate) fn metrics(&self) -> BTreeMap<String, (String, Vec<Series>)> {
        self.meters.force_flush().unwrap();
        let exported = self.metrics.get_finished_metrics().unwrap();
        let Some(last) = exported.last() else { return BTreeMap::new() };
        let ours = last.scope_metrics().filter(|scope| scope.scope().name() == SCOPE);
        ours.flat_map(ScopeMetrics::metrics)
            .map(|metric| (metric.name().to_owned(), (metric.unit().to_owned(), all_series(metric.data()))))
            .collect()
    }

    /// Version and schema of the metrics' scope.
    pub(crate) fn metric_scope(&self) -> (Option<String>, Option<String>) {
        self.meters.force_flush().unwrap();
        let exported = self.metrics.get_finished_metrics().unwrap();
        let last = exported.last().unwrap();
        let scope =
            last.scope_metrics().map(ScopeMetrics::scope).find(|scope| scope.name() == SCOPE).unwrap();
        (scope.version().map(str::to_owned), scope.schema_url().map(str::to_owned))
    }

    pub(crate) fn series(&self, metric: &str) -> Vec<Series> {
        self.metrics().remove(metric).map(|(_, series)| series).unwrap_or_default()
    }

    /// The attributes and value of each series.
    pub(crate) fn values(&self, metric: &str) -> Vec<(Attributes, f64)> {
        let mut values: Vec<_> =
            self.series(metric).into_iter().map(|series| (series.attributes, series.value)).collect();
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        values
    }
}

fn all_series(data: &AggregatedMetrics) -> Vec<Series> {
    match data {
        AggregatedMetrics::F64(data) => series(data, |value| value),
        AggregatedMetrics::U64(data) => series(data, |value| value as f64),
        AggregatedMetrics::I64(data) => series(data, |value| value as f64),
    }
}

fn series<T: Copy>(data: &MetricData<T>, number: impl Fn(T) -> f64) -> Vec<Series> {
    match data {
        MetricData::Sum(sum) => sum
            .data_points()
            .map(|point| Series {
                attributes: text(point.attributes()),
                kind: if sum.is_monotonic() { "counter" } else { "updowncounter" },
                value: number(point.value()),
                sum: 0.0,
                bounds: Vec::new(),
            })
            .collect(),
        MetricData::Histogram(histogram) => histogram
            .data_points()
            .map(|point| Series {
                attributes: text(point.attributes()),
                kind: "histogram",
                value: point.count() as f64,
                sum: number(point.sum()),
                bounds: point.bounds().collect(),
            })
            .collect(),
        _ => panic!("neither a sum nor a histogram"),
    }
}

fn text<'a>(attributes: impl Iterator<Item = &'a opentelemetry::KeyValue>) -> Attributes {
    attributes.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

/// A span's attributes. Fails if a key is there twice.
pub(crate) fn attributes(span: &SpanData) -> Attributes {
    let attributes = text(span.attributes.iter());
    assert_eq!(attributes.len(), span.attributes.len(), "a key twice in {:?}", span.attributes);
    attributes
}

/// Expected attributes.
pub(crate) fn expected<const N: usize>(pairs: [(&str, &str); N]) -> Attributes {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(crate) fn is_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID
}

pub(crate) fn is_child(child: &SpanData, parent: &SpanData) -> bool {
    child.parent_span_id == parent.span_context.span_id()
        && child.span_context.trace_id() == parent.span_context.trace_id()
}

pub(crate) fn links_to(span: &SpanData, target: &SpanData) -> bool {
    span.links.len() == 1 && span.links[0].span_context == target.span_context
}

pub(crate) fn get(uri: impl TryInto<Uri, Error: std::fmt::Debug>) -> Request<Body> {
    let mut request = Request::new(Body::new());
    *request.uri_mut() = uri.try_into().unwrap();
    request
}

pub(crate) fn status(status: u16) -> Response<Answer> {
    Response::builder().status(status).body(Answer::from("ok")).unwrap()
}

/// A hyper-util client with every layer.
pub(crate) fn client(
    outbound: &Outbound,
) -> impl Service<
    Request<Body>,
    Response = Response<impl http_body::Body<Data = Bytes, Error: std::fmt::Debug> + use<>>,
    Error = tower_outbound::Error,
    Future: Send,
> + Clone
+ use<> {
    let connector = outbound.connector(outbound.http_connector());
    let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
    outbound.attempt_layer().layer(client)
}

/// Sends a request and reads the response. Returns the status; `None` if the attempt failed before the head.
pub(crate) async fn attempt<S, R>(service: &S, request: Request<Body>) -> Option<u16>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone,
    R: http_body::Body,
{
    let response = service.clone().oneshot(request).await.ok()?;
    let status = response.status().as_u16();
    let _ = response.into_body().collect().await;
    Some(status)
}

/// Responds with this status and two bytes.
pub(crate) fn answering(
    outbound: &Outbound,
    code: u16,
) -> impl Service<
    Request<Body>,
    Response = Response<
        tower_outbound::observe::ObserveBody<tower_outbound::limit::InFlightLimitBody<Answer>>,
    >,
    Error = tower_outbound::Error,
> + Clone
+ use<> {
    let answer = move |_| std::future::ready(Ok::<_, BoxError>(status(code)));
    outbound.attempt_layer().layer(tower::service_fn(answer))
}

/// Waits until every connection is closed.
pub(crate) async fn closed(outbound: &Outbound) {
    while !outbound.connections().is_empty() {
        tokio::task::yield_now().await;
    }
}
