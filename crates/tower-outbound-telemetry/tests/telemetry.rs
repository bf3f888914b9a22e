//! The pipeline with a local receiver, in every kind of runtime.

use std::future::Future;
use std::time::Duration;

use http::{Request, Response};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use outbound_tests::otlp::Receiver;
use tower::{Layer, ServiceExt, service_fn};
use tower_outbound::Outbound;
use tower_outbound_otel::OtelObserver;
use tower_outbound_telemetry::{Loss, OtlpProtocol, Report, Telemetry};
use tracing_subscriber::layer::SubscriberExt;

/// A pipeline to this receiver, without globals.
fn telemetry(receiver: &Receiver, protocol: OtlpProtocol) -> Telemetry {
    let endpoint = match protocol {
        OtlpProtocol::Grpc => receiver.grpc_endpoint(),
        _ => receiver.http_endpoint(),
    };
    let builder = Telemetry::builder("shop").lookup(|_| None).without_globals();
    builder.protocol(protocol).endpoint(endpoint).build().unwrap()
}

fn record(telemetry: &Telemetry) {
    telemetry.tracer_provider().unwrap().tracer("test").start("a span").end();
    telemetry.meter_provider().unwrap().meter("test").u64_counter("a.counter").build().add(3, &[]);
}

fn assert_whole(report: Report) {
    assert!(report.is_complete(), "{report}");
}

fn assert_received(receiver: &Receiver, how: &str) {
    let spans: Vec<_> =
        receiver.spans().iter().map(|span| (span.resource_service.clone(), span.name().to_owned())).collect();
    assert_eq!(spans, [("shop".to_owned(), "a span".to_owned())], "{how}");
    assert!(receiver.metric_names().contains("a.counter"), "{how}: {:?}", receiver.metric_names());
}

fn receiver() -> Receiver {
    // `start` only binds: the receiver runs on a thread of its own.
    current_thread(Receiver::start()).unwrap()
}

fn current_thread<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs in a task, so that the only worker waits.
fn one_worker<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(future).await.unwrap() })
}

const PROTOCOLS: [OtlpProtocol; 3] = [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson];

#[test]
fn shutdown_delivers_on_every_runtime_and_without_runtime() {
    async fn end(receiver: &Receiver, protocol: OtlpProtocol) {
        let telemetry = telemetry(receiver, protocol);
        record(&telemetry);
        assert_whole(telemetry.shutdown().await);
    }
    for protocol in PROTOCOLS {
        let got = receiver();
        current_thread(end(&got, protocol));
        assert_received(&got, &format!("{protocol:?} on current_thread"));

        let got = receiver();
        let got = one_worker(async move {
            end(&got, protocol).await;
            got
        });
        assert_received(&got, &format!("{protocol:?} on one worker"));

        let got = receiver();
        let telemetry = telemetry(&got, protocol);
        record(&telemetry);
        assert_whole(telemetry.shutdown_blocking());
        assert_received(&got, &format!("{protocol:?} without a runtime"));
    }
}

#[test]
fn flush_and_shutdown_blocking_deliver_inside_runtime() {
    async fn flush(receiver: &Receiver, protocol: OtlpProtocol) {
        let telemetry = telemetry(receiver, protocol);
        record(&telemetry);
        let _ = telemetry.force_flush().unwrap();
        assert_received(receiver, &format!("{protocol:?} flushed"));
        assert_whole(telemetry.shutdown_blocking());
    }
    for protocol in PROTOCOLS {
        let got = receiver();
        current_thread(flush(&got, protocol));
        let got = receiver();
        one_worker(async move { flush(&got, protocol).await });
    }
}

#[test]
fn drop_of_telemetry_delivers_inside_runtime() {
    for protocol in PROTOCOLS {
        let got = receiver();
        current_thread(async { record(&telemetry(&got, protocol)) });
        assert_received(&got, &format!("{protocol:?} dropped"));
    }
}

#[test]
fn shutdown_with_stopped_receiver_reports_refused_at_once() {
    let got = receiver();
    let telemetry = telemetry(&got, OtlpProtocol::Grpc);
    got.stop();
    record(&telemetry);
    let start = tokio::time::Instant::now();
    let report = telemetry.shutdown_blocking();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!((report.spans().lost_by(Loss::Refused), report.spans().lost()), (1, 1));
    assert_eq!((report.metric_exports().lost_by(Loss::Refused), report.metric_exports().lost()), (1, 1));
}

#[test]
fn export_attempt_span_arrives_as_child_of_tracing_span() {
    let got = receiver();
    let telemetry = telemetry(&got, OtlpProtocol::HttpProtobuf);
    let observer = OtelObserver::builder()
        .tracer_provider(telemetry.tracer_provider().unwrap())
        .meter_provider(telemetry.meter_provider().unwrap())
        .build();
    let outbound = Outbound::builder().observer(observer).build();
    let answer = service_fn(async |_: Request<_>| Ok::<_, std::io::Error>(Response::new(String::new())));
    let service = outbound.attempt_layer().layer(answer);
    let subscriber = tracing_subscriber::registry().with(telemetry.layer());
    tracing::subscriber::with_default(subscriber, || {
        let handler = tracing::info_span!("handler");
        let _entered = handler.enter();
        let request = Request::get("http://a.example/").body(String::new()).unwrap();
        current_thread(service.oneshot(request)).unwrap();
    });
    assert_whole(telemetry.shutdown_blocking());

    let spans = got.spans();
    let named = |name: &str| spans.iter().find(|span| span.name() == name).unwrap();
    assert_eq!(named("GET").parent_span_id(), named("handler").span_id());
    assert_eq!(named("GET").scope, "tower-outbound-otel");
    assert!(got.metric_names().contains("http.client.request.duration"));
}

#[test]
fn export_over_observed_client_is_not_recorded() {
    for protocol in PROTOCOLS {
        let spans = InMemorySpanExporter::default();
        let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let metrics = InMemoryMetricExporter::default();
        let meters = SdkMeterProvider::builder().with_periodic_exporter(metrics.clone()).build();
        let observer = OtelObserver::builder().tracer_provider(&traces).meter_provider(&meters).build();
        let client = Outbound::builder().observer(observer).build().client_builder();
        let client = client.http2_only(protocol == OtlpProtocol::Grpc).build();
        let got = receiver();
        let endpoint = match protocol {
            OtlpProtocol::Grpc => got.grpc_endpoint(),
            _ => got.http_endpoint(),
        };
        let builder = Telemetry::builder("shop").lookup(|_| None).without_globals().protocol(protocol);
        let telemetry = builder.endpoint(endpoint.clone()).client(client.clone()).build().unwrap();
        record(&telemetry);
        let _ = telemetry.force_flush().unwrap();
        assert_received(&got, &format!("{protocol:?} over a given client"));
        meters.force_flush().unwrap();
        assert!(spans.get_finished_spans().unwrap().is_empty(), "{protocol:?}");
        assert!(metrics.get_finished_metrics().unwrap().iter().all(|all| all.scope_metrics().count() == 0));

        // The same client is observed without suppression.
        let _ = current_thread(client.get(endpoint)).unwrap();
        assert!(!spans.get_finished_spans().unwrap().is_empty(), "{protocol:?}");
        meters.force_flush().unwrap();
        assert!(metrics.get_finished_metrics().unwrap().iter().any(|all| all.scope_metrics().count() > 0));
        assert_whole(telemetry.shutdown_blocking());
    }
}

#[test]
fn export_keeps_more_than_2000_metric_series_apart() {
    let got = receiver();
    let telemetry = telemetry(&got, OtlpProtocol::HttpProtobuf);
    let observer = OtelObserver::builder().meter_provider(telemetry.meter_provider().unwrap());
    let outbound = Outbound::builder().observer(observer.build()).build();
    let answer = service_fn(|request: Request<_>| {
        let code: u16 = request.uri().path()[1..].parse().unwrap();
        std::future::ready(Response::builder().status(code).body(String::new()))
    });
    let service = outbound.attempt_layer().layer(answer);
    current_thread(async {
        for host in 0..101 {
            // Registered ones: the others have a series together.
            for code in (200..=208).chain(400..=417).chain(421..=423) {
                let uri = format!("http://host-{host}.example/{code}");
                service.clone().oneshot(Request::get(uri).body(String::new()).unwrap()).await.unwrap();
            }
        }
    });
    assert_whole(telemetry.shutdown_blocking());
    let metrics = got.metrics();
    let duration = metrics.iter().find(|metric| metric.name() == "http.client.request.duration").unwrap();
    assert_eq!(duration.points().len(), 101 * 30);
}

#[test]
fn settings_invalid_value_warns_and_export_uses_fallback() {
    let got = receiver();
    let endpoint = got.http_endpoint();
    let telemetry = Telemetry::builder("shop").without_globals().lookup(move |key| match key {
        "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("x".into()),
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" => Some("garbage".into()),
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.clone()),
        _ => None,
    });
    let telemetry = telemetry.build().unwrap();
    let warnings: Vec<_> = telemetry.warnings().iter().map(ToString::to_string).collect();
    let used = format!("{}/v1/traces", got.http_endpoint());
    assert_eq!(
        warnings,
        [
            "OTEL_EXPORTER_OTLP_PROTOCOL: \"x\" cannot be used, using http/protobuf".to_owned(),
            format!("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: \"garbage\" cannot be used, using {used}"),
        ]
    );
    record(&telemetry);
    assert_whole(telemetry.shutdown_blocking());
    assert_received(&got, "in spite of it");
}

#[test]
fn sdk_disabled_has_no_providers_and_sends_nothing() {
    let disabled = |key: &str| (key == "OTEL_SDK_DISABLED").then(|| "true".to_owned());
    let telemetry = Telemetry::builder("shop").without_globals().lookup(disabled).build().unwrap();
    assert!(telemetry.tracer_provider().is_none() && telemetry.meter_provider().is_none());
    assert!(telemetry.layer::<tracing_subscriber::Registry>().is_none());
    let _ = telemetry.force_flush().unwrap();
    assert_whole(telemetry.shutdown_blocking());
}
