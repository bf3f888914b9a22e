use super::super::testing::{endpoints, resolve, warned};

#[test]
fn endpoint_base_gets_path_and_signal_endpoint_is_verbatim() {
    let settings = resolve(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:1/base/"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:2/x"),
    ]);
    assert_eq!(endpoints(&settings), ["https://collector:1/base/v1/traces", "http://metrics:2/x"]);
    let settings = resolve(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector/base?key=value#x")]);
    assert_eq!(endpoints(&settings)[0], "https://collector/base/v1/traces?key=value");
    assert_eq!(warned(&settings), vec![]);
}

#[test]
fn endpoint_grpc_has_no_path_and_default_port_4317() {
    let settings = resolve(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert_eq!(endpoints(&settings), ["http://localhost:4317"; 2]);
    let settings = resolve(&[
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:5"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
    ]);
    assert_eq!(endpoints(&settings), ["http://collector:5", "http://localhost:4318/v1/metrics"]);
}

#[test]
fn endpoint_grpc_without_scheme_is_https_unless_insecure() {
    let base = [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:5")];
    let with = |more: &[(&'static str, &'static str)]| {
        let settings = resolve(&[&base, more].concat());
        assert_eq!(warned(&settings), vec![]);
        endpoints(&settings).map(|endpoint| endpoint.starts_with("https://collector:5"))
    };
    assert_eq!(with(&[]), [true, true]);
    assert_eq!(with(&[("OTEL_EXPORTER_OTLP_INSECURE", "True")]), [false, false]);
    assert_eq!(with(&[("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true")]), [true, false]);
    let own = [("OTEL_EXPORTER_OTLP_INSECURE", "true"), ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "false")];
    assert_eq!(with(&own), [true, false]);
}

#[test]
fn endpoint_invalid_warns_and_uses_default() {
    let (traces, metrics) = ("http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics");
    for (key, value, used) in [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "%%%", traces),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://a/b", traces),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", traces),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:65536", traces),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "/only/a/path", metrics),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://:4318", metrics),
    ] {
        let settings = resolve(&[(key, value)]);
        assert_eq!(warned(&settings), [(key, value, used)]);
        assert_eq!(endpoints(&settings), [traces, metrics]);
    }
    let settings = resolve(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1]:4318")]);
    assert_eq!(endpoints(&settings)[0], "http://[::1]:4318/v1/traces");
}

#[test]
fn endpoint_invalid_base_warns_per_signal_without_password() {
    let settings = resolve(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:marker@collector")]);
    let [traces, metrics] = endpoints(&settings);
    let (key, value) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "REDACTED@collector");
    assert_eq!(warned(&settings), [(key, value, traces), (key, value, metrics)]);
}

#[test]
fn endpoint_invalid_for_signal_falls_back_to_base() {
    let (key, base) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let settings = resolve(&[(key, "garbage"), (base, "http://collector:1")]);
    assert_eq!(endpoints(&settings)[0], "http://collector:1/v1/traces");
    assert_eq!(warned(&settings), [(key, "garbage", "http://collector:1/v1/traces")]);
}

#[test]
fn endpoint_fallback_warning_redacts_password_and_query() {
    let (key, base) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let settings = resolve(&[(key, "x?marker"), (base, "http://user:marker@collector/?key=marker")]);
    assert_eq!(endpoints(&settings)[0], "http://user:marker@collector/v1/traces?key=marker");
    assert_eq!(warned(&settings), [(key, "x?REDACTED", "REDACTED@collector/v1/traces?REDACTED")]);
    let settings = resolve(&[(key, "http//user:mar?ker@b")]);
    assert_eq!(warned(&settings), [(key, "REDACTED", "http://localhost:4318/v1/traces")]);
}
