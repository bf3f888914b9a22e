//! The client of a cell, and what its observers record.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use outbound_tests::faults::{Body, Upload};
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use tower_layer::Layer as _;
use tower_outbound::connect::Track;
use tower_outbound::limit::InFlightLimit;
use tower_outbound::observe::{Observe, ObserveRequestBody};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Connection, Event, Failure, Outbound, Outcome};
use tower_outbound_otel::OtelObserver;

use crate::dial::Dial;

const LIMIT: Duration = Duration::from_secs(9);

pub(crate) type Service =
    Observe<InFlightLimit<Client<Track<HttpsConnector<Dial>>, ObserveRequestBody<Body>>>>;

/// A failure, and the connection of its attempt.
type FailedOn = (Failure, Option<Connection>);

/// A client and its observers.
pub(crate) struct Stack {
    pub(crate) outbound: Outbound,
    pub(crate) service: Service,
    pub(crate) recorder: Recorder,
    pub(crate) http2: bool,
    /// The failure and the connection of the last attempt that failed.
    pub(crate) failure: Arc<Mutex<Option<FailedOn>>>,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
    meters: SdkMeterProvider,
    _traces: SdkTracerProvider,
}

impl Stack {
    pub(crate) fn new(tls: rustls::ClientConfig, dial: impl Into<Dial>, http2: bool) -> Stack {
        Stack::retrying(tls, dial, http2, false)
    }

    /// With options of the builder.
    pub(crate) fn limited(
        tls: rustls::ClientConfig,
        dial: impl Into<Dial>,
        http2: bool,
        limits: fn(OutboundBuilder) -> OutboundBuilder,
    ) -> Stack {
        Stack::made(tls, dial.into(), http2, false, limits)
    }

    /// With hyper-util's own retries, which are on by default.
    pub(crate) fn retrying(
        tls: rustls::ClientConfig,
        dial: impl Into<Dial>,
        http2: bool,
        retries: bool,
    ) -> Stack {
        Stack::made(tls, dial.into(), http2, retries, |outbound| outbound)
    }

    fn made(
        tls: rustls::ClientConfig,
        dial: Dial,
        http2: bool,
        retries: bool,
        limits: fn(OutboundBuilder) -> OutboundBuilder,
    ) -> Stack {
        let (spans, metrics) = (InMemorySpanExporter::default(), InMemoryMetricExporter::default());
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone()).build();
        let observer = OtelObserver::builder().tracer_provider(&traces).meter_provider(&meters).build();
        let recorder = Recorder::new();
        let failure = Arc::new(Mutex::new(None));
        let last = Arc::clone(&failure);
        // Before the recorder, so that the failure is stored before the recorder has the end.
        let failures = move |event: &Event<'_>| {
            if let Event::AttemptEnded { attempt, outcome: Outcome::Failed(failure), .. } = event {
                *last.lock().unwrap() = Some((failure.clone(), attempt.connection()));
            }
        };
        let outbound = Outbound::builder().observer(failures).observer(observer).observer(recorder.clone());
        // Cells that hit a timeout pause the clock.
        let times = Timeouts::new().first_byte(LIMIT).write_idle(LIMIT).body_idle(LIMIT);
        let outbound = limits(outbound.timeouts(times)).build();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = if http2 {
            https.enable_http2().wrap_connector(dial)
        } else {
            https.enable_http1().wrap_connector(dial)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Off by default here: hyper-util's retry would hide the fault.
            .retry_canceled_requests(retries)
            .http2_only(http2)
            .build(outbound.connector(https));
        let service = outbound.attempt_layer().layer(client);
        Stack { outbound, service, recorder, http2, failure, spans, metrics, meters, _traces: traces }
    }

    /// The `error.type` of the last spans of this method, and whether all of them and a metric have it.
    pub(crate) fn error_type(&self, method: &str, last: usize) -> (Option<String>, bool) {
        let of = |attributes: &[KeyValue]| {
            let found = attributes.iter().find(|attribute| attribute.key.as_str() == "error.type");
            found.map(|attribute| attribute.value.to_string())
        };
        let spans = self.spans.get_finished_spans().unwrap();
        let spans = spans.iter().rev().filter(|span| span.name == method).take(last);
        let errors: Vec<_> = spans.map(|span| of(&span.attributes)).collect();
        assert_eq!(errors.len(), last, "spans of {method}");
        let mut errors: BTreeSet<_> = errors.into_iter().collect();
        let error = errors.pop_first().flatten();
        let one = errors.is_empty();
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
        (error, one && agrees)
    }
}

/// A request without a body.
pub(crate) fn request(method: &str, uri: &Uri) -> Request<Body> {
    let mut request = Upload::None.request(uri, &Gate::new());
    *request.method_mut() = method.parse().unwrap();
    request
}
