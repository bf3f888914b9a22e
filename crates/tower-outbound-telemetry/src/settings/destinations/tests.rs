use super::super::testing::{endpoints, otlp, resolve, warned};
use super::*;

#[test]
fn exporter_otlp_console_both_or_none() {
    let console = cfg!(feature = "console");
    let note = "otlp (`console` needs the cargo feature `console`)";
    for (value, otlp, wants_console, used) in [
        ("otlp", true, false, None),
        ("OTLP", true, false, None),
        ("none", false, false, None),
        ("console", !console, true, Some(note)),
        ("otlp,console", true, true, Some(note)),
        (" console , otlp ", true, true, Some(note)),
    ] {
        for key in ["OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"] {
            let settings = resolve(&[(key, value)]);
            let (this, other) = match key {
                "OTEL_TRACES_EXPORTER" => (&settings.traces, &settings.metrics),
                _ => (&settings.metrics, &settings.traces),
            };
            assert_eq!((this.otlp.is_some(), this.console), (otlp, wants_console && console), "{value}");
            assert!(other.otlp.is_some() && !other.console);
            let expected = used.filter(|_| !console).map(|used| (key, value.trim(), used));
            assert_eq!(warned(&settings), Vec::from_iter(expected));
        }
    }
}

#[test]
fn exporter_unknown_warns_and_uses_otlp() {
    for (key, value, used) in [
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "otlp"),
        ("OTEL_TRACES_EXPORTER", "zipkin,otlp", "otlp"),
        ("OTEL_METRICS_EXPORTER", "none,otlp", "otlp"),
    ] {
        let settings = resolve(&[(key, value)]);
        assert_eq!(warned(&settings), [(key, value, used)]);
        assert_eq!(otlp(&settings).len(), 2, "{key}={value}");
    }
}

#[test]
fn signal_variable_wins_and_invalid_falls_back_to_general() {
    let general = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "20"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
    ];
    let seen = |own: &[(&'static str, &'static str)]| {
        let settings = resolve(&[own, &general].concat());
        let seen = otlp(&settings).map(|export| (export.protocol, export.timeout, export.compression));
        let warnings = warned(&settings);
        let warnings = warnings.iter().map(|(key, _, used)| format!("{key}: {used}")).collect::<Vec<_>>();
        (seen, warnings)
    };
    let inherited = (OtlpProtocol::Grpc, Duration::from_millis(20), Some(Compression::Gzip));
    let own = (OtlpProtocol::HttpProtobuf, Duration::from_millis(30), None);
    assert_eq!(
        seen(&[
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "30"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "NONE"),
        ]),
        ([own, inherited], vec![])
    );
    assert_eq!(
        seen(&[
            ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/xml"),
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "lz4"),
        ]),
        (
            [inherited, inherited],
            vec![
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: grpc".to_owned(),
                "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: 20".to_owned(),
                "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: gzip".to_owned(),
            ]
        )
    );
}

#[test]
fn signal_invalid_value_warns_with_key_value_and_default() {
    for (key, value, used) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "x", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/xml", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s", "10000"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "lz4", "none"),
    ] {
        let settings = resolve(&[(key, value)]);
        assert_eq!(warned(&settings), [(key, value, used)]);
    }
}

#[test]
fn zstd_is_a_compression_only_with_its_feature() {
    let settings = resolve(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")]);
    let compression = otlp(&settings)[0].compression;
    #[cfg(feature = "zstd")]
    assert_eq!((compression, warned(&settings)), (Some(Compression::Zstd), vec![]));
    #[cfg(not(feature = "zstd"))]
    assert_eq!(
        (compression, warned(&settings)),
        (None, vec![("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none")])
    );
}

#[test]
fn json_has_the_port_and_paths_of_http() {
    let settings = resolve(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
    assert_eq!(otlp(&settings).map(|export| export.protocol), [OtlpProtocol::HttpJson; 2]);
    let expected = ["http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"];
    assert_eq!(endpoints(&settings), expected);
}
