//! Arbitrary values: no panic, a warning with the key for each invalid value and for no other, and no secrets in it.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::Settings;
use super::table::{KNOWN_METHODS, documented};
use super::testing::{endpoints, lookup, resolve_with};

/// Whether a value is valid, by other means than the code's.
fn understood(key: &str, value: &str, settings: &Settings) -> bool {
    let word = |words: &[&str]| words.contains(&value.to_ascii_lowercase().as_str());
    let number = |least: u64, most: u64| {
        let digits = value.strip_prefix('+').unwrap_or(value);
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse().is_ok_and(|number: u64| (least..=most).contains(&number))
    };
    let entries = || value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let list = |words: &[&str]| {
        let names: Vec<_> = entries().map(str::to_ascii_lowercase).collect();
        let none = names.iter().filter(|name| *name == "none").count();
        let known = names.iter().filter(|name| words.contains(&name.as_str())).count();
        !names.is_empty() && (none == names.len() || known == names.len())
    };
    let pairs = |pair: &dyn Fn(&str, &str) -> bool| {
        let whole =
            |entry: &str| entry.split_once('=').is_some_and(|(key, value)| pair(key.trim(), value.trim()));
        entries().count() > 0 && entries().all(whole)
    };
    let exporters: &[&str] = if cfg!(feature = "console") { &["otlp", "console"] } else { &["otlp"] };
    match key {
        "OTEL_SERVICE_NAME" | "RUST_LOG" => true,
        "OTEL_SDK_DISABLED" => word(&["true", "false"]),
        "OTEL_PROPAGATORS" => list(&["tracecontext", "baggage", "b3", "b3multi"]),
        "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER" => list(exporters),
        "OTEL_LOGS_EXPORTER" => word(&["none"]),
        "OTEL_METRICS_EXEMPLAR_FILTER" => word(&["always_off"]),
        "OTEL_CONFIG_FILE" | "OTEL_EXPERIMENTAL_CONFIG_FILE" | "OTEL_LOG_LEVEL" => false,
        "OTEL_TRACES_SAMPLER" => {
            let root = value.to_ascii_lowercase();
            let root = root.strip_prefix("parentbased_").unwrap_or(&root);
            ["always_on", "always_off", "traceidratio"].contains(&root)
        }
        "OTEL_TRACES_SAMPLER_ARG" => value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
        "OTEL_BSP_SCHEDULE_DELAY" | "OTEL_METRIC_EXPORT_INTERVAL" => number(1, 2_147_483_647),
        "OTEL_BSP_MAX_QUEUE_SIZE" => number(1, 1_000_000),
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE" => number(1, 2_048),
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE" => word(&["cumulative", "delta", "lowmemory"]),
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION" => {
            word(&["explicit_bucket_histogram", "base2_exponential_bucket_histogram"])
        }
        "OTEL_RESOURCE_ATTRIBUTES" => pairs(&|key, value| {
            let decodes = |text| percent_decode_str(text).decode_utf8().is_ok();
            !key.is_empty() && decodes(key) && decodes(value)
        }),
        _ if key.ends_with("_VALUE_LENGTH_LIMIT") => false,
        _ if key.ends_with("_LIMIT") || key.ends_with("_TIMEOUT") => number(0, 2_147_483_647),
        _ if key.ends_with("_INSECURE") => word(&["true", "false"]),
        _ if key.ends_with("_PROTOCOL") => word(&["grpc", "http/protobuf", "http/json"]),
        _ if key.ends_with("_COMPRESSION") => {
            word(if cfg!(feature = "zstd") { &["none", "gzip", "zstd"] } else { &["none", "gzip"] })
        }
        _ if key.ends_with("_HEADERS") => pairs(&|key, value| {
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let printable = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            !key.is_empty()
                && key.bytes().all(token)
                && value.chars().any(|char| char != '=')
                && percent_decode_str(value).all(printable)
        }),
        // None of the values is a file's.
        _ if key.ends_with("_CERTIFICATE") || key.ends_with("_CLIENT_KEY") => false,
        _ if key.ends_with("_ENDPOINT") => {
            let defaults = ["http://localhost:4318/v1/traces", "http://localhost:4318/v1/metrics"];
            endpoints(settings) != defaults
        }
        _ => panic!("{key} is documented, and what it may hold is not known here"),
    }
}

/// Of the lookup, with whatever it takes for a value to matter.
fn keys() -> Vec<&'static str> {
    let keys = documented().into_iter().filter(|key| key != KNOWN_METHODS);
    keys.map(|key| &*key.leak()).collect()
}

fn value() -> impl Strategy<Value = String> {
    let parts = [
        "true",
        "none",
        "otlp",
        "console",
        "grpc",
        "gzip",
        "zstd",
        "http/json",
        "b3",
        "always_off",
        "parentbased_",
        "delta",
        "a",
        "=",
        "=",
        ",",
        ",",
        ";",
        "@",
        "?",
        "%",
        "%20",
        "%FF",
        "%00",
        " ",
        "\n",
        "ä",
        "0",
        "1",
        "9",
        "-",
        ".",
        "4294967296",
        "http://",
        "https://",
        "://",
        "h",
        ":4318",
        ":99999",
        "[",
        "/",
        "service.name",
        "-----BEGIN PRIVATE KEY-----",
    ];
    let joined =
        prop::collection::vec(prop::sample::select(parts.to_vec()), 0..8).prop_map(|parts| parts.concat());
    prop_oneof![any::<String>(), "[ -~]{0,12}", joined]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn settings_any_value_is_used_or_warned(key in prop::sample::select(keys()), value in value()) {
        let mut variables = vec![(key, value.clone())];
        if key == "OTEL_TRACES_SAMPLER_ARG" {
            variables.push(("OTEL_TRACES_SAMPLER", "traceidratio".to_owned()));
        }
        let settings = resolve_with(lookup(variables));
        let warned = settings.warnings.iter().any(|warning| warning.key() == key);
        let value = value.trim();
        prop_assert_eq!(warned, !value.is_empty() && !understood(key, value, &settings), "{:?}", settings.warnings);
        prop_assert!(settings.warnings.iter().all(|warning| warning.key() == key));
        prop_assert!(settings.batch.size <= settings.batch.queue && settings.batch.size > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn settings_any_values_together_never_panic(values in prop::collection::vec(value(), 80)) {
        let keys = keys();
        prop_assert!(keys.len() <= values.len());
        let settings = resolve_with(lookup(keys.into_iter().zip(values).collect()));
        let shown = format!("{settings:?} {:?}", settings.warnings);
        prop_assert!(!shown.is_empty());
    }

    #[test]
    fn settings_header_value_and_endpoint_user_never_shown(
        name in value(),
        rest in value(),
        signal in prop::sample::select(vec!["", "TRACES_", "METRICS_"]),
    ) {
        let marker = "MARKER";
        let headers = format!("{}x={marker}{}", name.replace('=', ""), rest.replace(',', ""));
        let endpoint = format!("{name}user:{marker}{rest}@collector:1/{rest}?{marker}{rest}");
        let own = |suffix: &str| &*format!("OTEL_EXPORTER_OTLP_{signal}{suffix}").leak();
        let settings = resolve_with(lookup(vec![(own("HEADERS"), headers), (own("ENDPOINT"), endpoint)]));
        let shown = format!("{settings:?} {:?}", settings.warnings.iter().map(ToString::to_string).collect::<Vec<_>>());
        prop_assert!(!shown.contains(marker), "{}", shown);
    }
}
