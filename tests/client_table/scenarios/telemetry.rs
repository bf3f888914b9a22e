//! Spans, metrics and the `Timings` line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use outbound_tests::secret;
use outbound_tests::server::closed_port;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound_otel::OtelObserver;

use crate::cell::{Cell, text};
use crate::peer::{Peer, body};

struct Telemetry {
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
    traces: SdkTracerProvider,
    meters: SdkMeterProvider,
}

impl Telemetry {
    fn new() -> Telemetry {
        let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone()).build();
        Telemetry { spans, metrics, traces, meters }
    }

    fn observer(&self) -> OtelObserver {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        OtelObserver::builder().tracer_provider(&self.traces).meter_provider(&self.meters).build()
    }

    /// The spans of attempts, in the order of their ends.
    fn attempts(&self) -> Vec<SpanData> {
        let spans = self.spans.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.span_kind == SpanKind::Client).collect()
    }

    /// The number of values in a histogram of seconds.
    fn count(&self, histogram: &str) -> u64 {
        self.meters.force_flush().unwrap();
        let all = self.metrics.get_finished_metrics().unwrap();
        let metrics = all
            .last()
            .unwrap()
            .scope_metrics()
            .flat_map(opentelemetry_sdk::metrics::data::ScopeMetrics::metrics);
        let data = metrics
            .filter(|metric| metric.name() == histogram)
            .map(opentelemetry_sdk::metrics::data::Metric::data);
        let counts = data.map(|data| match data {
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                .data_points()
                .map(opentelemetry_sdk::metrics::data::HistogramDataPoint::count)
                .sum::<u64>(),
            other => panic!("{other:?}"),
        });
        counts.sum()
    }
}

fn busy_at_first(cell: &Cell) -> Peer {
    let asked = Arc::new(AtomicUsize::new(0));
    cell.peer(move |_| {
        let busy = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let mut response = Response::new(body("answer"));
            if busy {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("0"));
            }
            Ok(response)
        }
    })
}

fn again(outbound: OutboundBuilder) -> OutboundBuilder {
    outbound.retry(|retry| retry.status([StatusCode::SERVICE_UNAVAILABLE]))
}

pub(super) async fn propagation_each_attempt_carries_own_span(cell: &Cell) {
    let telemetry = Telemetry::new();
    let peer = busy_at_first(cell);
    let observer = telemetry.observer();
    let client = cell.client_with(&peer.uri("/"), |outbound| again(outbound.observer(observer))).await;
    client.get(&peer.uri("/")).await.unwrap();
    client.leave().await;
    let spans = telemetry.attempts();
    let sent: Vec<_> = spans
        .iter()
        .map(|span| format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id()))
        .collect();
    let seen: Vec<_> =
        peer.seen().iter().map(|seen| seen.headers["traceparent"].to_str().unwrap().to_owned()).collect();
    assert_eq!((seen.len(), &seen), (2, &sent));
    assert_eq!(spans[0].span_context.trace_id(), spans[1].span_context.trace_id());
}

pub(super) async fn telemetry_each_attempt_is_one_span_and_one_count(cell: &Cell) {
    let telemetry = Telemetry::new();
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let observer = telemetry.observer();
    let client = cell.client_with(&peer.uri("/"), |outbound| outbound.observer(observer)).await;
    for _ in 0..3 {
        client.get(&peer.uri("/")).await.unwrap();
    }
    client.leave().await;
    let spans = telemetry.attempts();
    assert_eq!((spans.len(), peer.seen().len()), (3, 3));
    let reuse = |span: &SpanData| {
        let of = |one: &&KeyValue| one.key.as_str() == "outbound.connection.reuse";
        span.attributes.iter().find(of).unwrap().value.to_string()
    };
    assert_eq!(spans.iter().map(reuse).collect::<Vec<_>>(), ["new", "reused", "reused"]);
    assert_eq!(telemetry.count("http.client.request.duration"), 3);
    assert_eq!(telemetry.count("outbound.connect.duration"), 1);
}

pub(super) async fn no_secret_in_errors_or_telemetry(cell: &Cell) {
    let telemetry = Telemetry::new();
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let observer = telemetry.observer();
    let client = cell.client_with(&peer.uri("/"), |outbound| outbound.observer(observer)).await;
    let response = client.send(secret::request(&peer.uri("/"), text("upload"))).await.unwrap();
    assert!(!secret::is_in(&format!("{:?}", response.extensions().get::<tower_outbound::Timings>())));
    drop(response);
    client.leave().await;

    let observer = telemetry.observer();
    let nobody = cell.uri(closed_port().unwrap());
    if cell.kind.cannot("connect_refused_is_classified_and_not_sent").is_none() {
        let client = cell.client_with(&nobody, |outbound| outbound.observer(observer)).await;
        let error = client.send(secret::request(&nobody, text("upload"))).await.map(drop).unwrap_err();
        let error: &dyn std::error::Error = &error;
        let chain = std::iter::successors(Some(error), |error| error.source());
        for error in chain {
            assert!(!secret::is_in(&format!("{error} {error:?}")), "{error:?}");
        }
        client.leave().await;
    }
    // Sensitive values are redacted; all other values are recorded.
    let spans = format!("{:?}", telemetry.spans.get_finished_spans().unwrap());
    assert!(!secret::is_in(&spans) && spans.contains("REDACTED"), "{spans}");
}

pub(super) async fn timings_line_names_connection(cell: &Cell) {
    let peer = cell.peer(|_| async { Ok(Response::new(body("answer"))) });
    let client = cell.client(&peer.uri("/")).await;
    let (timings, _) = client.get(&peer.uri("/")).await.unwrap();
    let (line, id) = (timings.to_string(), timings.connection().unwrap().id());
    assert!(line.ends_with(&format!("ms, connection {id} new")), "{line}");
    assert_eq!(line.lines().count(), 1);
    client.leave().await;
}
