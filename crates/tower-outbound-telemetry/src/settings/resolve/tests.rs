use opentelemetry_sdk::metrics::Temporality;

use super::super::testing::{endpoints, otlp, resolve, warned};
use super::*;
use crate::OtlpProtocol;

#[test]
fn settings_without_variables_are_specification_defaults() {
    let settings = resolve(&[]);
    let expected = ["http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"];
    assert_eq!(endpoints(&settings), expected);
    for export in otlp(&settings) {
        let all = (export.protocol, export.timeout, export.compression, export.headers.len());
        assert_eq!(all, (OtlpProtocol::HttpProtobuf, Duration::from_secs(10), None, 0));
        assert!(export.tls.roots.is_none() && export.tls.client.is_none());
    }
    assert!(!settings.traces.console && !settings.metrics.console);
    assert_eq!(format!("{:?}", settings.sampler), "ParentBased(AlwaysOn)");
    assert_eq!(
        settings.batch,
        Batch { delay: Duration::from_secs(5), timeout: Duration::from_secs(30), queue: 2_048, size: 512 }
    );
    assert_eq!(settings.metric_interval, Duration::from_secs(60));
    assert_eq!(settings.metric_timeout, Duration::from_secs(30));
    assert_eq!((settings.temporality, settings.exponential_histograms), (Temporality::Cumulative, false));
    assert_eq!(settings.propagators, [Propagator::TraceContext, Propagator::Baggage]);
    assert_eq!((settings.service.as_str(), settings.resource.as_slice()), ("given", [].as_slice()));
    assert_eq!((settings.log_filter.as_deref(), warned(&settings)), (None, vec![]));
}

/// Without an id of its own, each replica of a service would write into the same series.
#[test]
fn resource_instance_id_is_random_unless_named() {
    let id =
        |settings: &Settings| settings.resource().get(&"service.instance.id".into()).unwrap().to_string();
    let (one, other) = (resolve(&[]), resolve(&[]));
    assert_eq!(id(&one).parse::<uuid::Uuid>().unwrap().get_version_num(), 4);
    assert_eq!(id(&one), id(&one));
    assert_ne!(id(&one), id(&other));

    let named = ("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-1");
    assert_eq!(id(&resolve(&[named])), "pod-1");
    let mut choices = Choices::new("given".to_owned());
    choices.resource.push(KeyValue::new("service.instance.id", "pod-2"));
    assert_eq!(id(&Settings::resolve(&choices, &|_| None)), "pod-2");
    assert_eq!(
        id(&Settings::resolve(&choices, &move |key| (key == named.0).then(|| named.1.to_owned()))),
        "pod-1"
    );
}

#[test]
fn settings_sdk_disabled_has_no_signals_keeps_propagation() {
    let settings = resolve(&[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_PROPAGATORS", "tracecontext")]);
    for signal in [&settings.traces, &settings.metrics] {
        assert!(signal.otlp.is_none() && !signal.console);
    }
    assert_eq!(settings.propagators, [Propagator::TraceContext]);
    assert_eq!(warned(&settings), vec![]);
    let settings = resolve(&[("OTEL_SDK_DISABLED", "yes")]);
    assert_eq!(warned(&settings), [("OTEL_SDK_DISABLED", "yes", "false")]);
    assert_eq!(otlp(&settings).len(), 2);
}

#[test]
fn settings_debug_output_has_no_secrets() {
    let settings = resolve(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=marker"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:marker@collector:1/?key=marker"),
    ]);
    assert_eq!(otlp(&settings)[0].headers["authorization"], "marker");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("marker") && shown.contains("collector:1"), "{shown}");
}
