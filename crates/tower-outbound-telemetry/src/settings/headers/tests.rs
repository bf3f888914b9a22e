use super::super::testing::{otlp, resolve, warned};

const GENERAL: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";

#[test]
fn headers_values_decoded_and_marked_sensitive() {
    let settings = resolve(&[(GENERAL, "Authorization=Basic%20dXNlcjpw==, x-key = a%2Cb=c ,")]);
    for export in otlp(&settings) {
        assert_eq!(export.headers.len(), 2);
        assert_eq!(export.headers["authorization"], "Basic dXNlcjpw==");
        assert_eq!(export.headers["x-key"], "a,b=c");
        assert!(export.headers.values().all(http::HeaderValue::is_sensitive));
    }
    assert_eq!(warned(&settings), vec![]);
}

#[test]
fn headers_of_signal_replace_general_headers() {
    let settings = resolve(&[(GENERAL, "a=1,b=2"), (TRACES, "c=3")]);
    let names = otlp(&settings)
        .map(|export| export.headers.keys().map(ToString::to_string).collect::<Vec<_>>().join(","));
    assert_eq!(names, ["c", "a,b"]);
}

#[test]
fn headers_invalid_warned_without_value_and_rest_used() {
    for (value, shown, used) in [
        ("marker", "…", "none"),
        ("bWFya2Vy==", "…", "none"),
        ("Authorization: Basic marker=", "…", "none"),
        ("api-key=ok,marker", "api-key,…", "api-key"),
        ("api-key=mar%0Aker", "api-key", "none"),
        ("=marker", "…", "none"),
        ("ä=marker,b=2", "…,b", "b"),
        (",", "", "none"),
    ] {
        let settings = resolve(&[(GENERAL, value)]);
        assert_eq!(warned(&settings), [(GENERAL, shown, used)], "{value}");
        assert_eq!(otlp(&settings)[0].headers.is_empty(), used == "none", "{value}");
    }
}

#[test]
fn headers_of_signal_all_invalid_fall_back_to_general() {
    let settings = resolve(&[(GENERAL, "a=1"), (TRACES, "marker")]);
    assert_eq!(otlp(&settings)[0].headers["a"], "1");
    assert_eq!(warned(&settings), [(TRACES, "…", "a")]);
}
