//! Each key over what people write.

use std::fs;
use std::time::Duration;

use mail_filter::config::{Config, ConfigError, ConfigSource, StorageConfig};

use super::support::Lines;

const URLS: &str = "webhook_url = \"http://h/w\"\nstorage_url = \"http://h/s\"\n";

/// Reads a file and variables; again if there are settings in force.
fn read(file: &str, variables: &[(&str, &str)], in_force: Option<&Config>) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.toml");
    fs::write(&path, file).unwrap();
    let source = ConfigSource::new(Some(path)).variables(variables.iter().copied());
    let read = match in_force {
        None => source.load(),
        Some(in_force) => source.reload(in_force),
    };
    read.map(|(config, _)| config)
}

/// A key's value from the file and from the environment, at start and on a reload; and how many warnings each has.
fn cases<T: PartialEq + std::fmt::Debug>(
    key: &str,
    get: impl Fn(&Config) -> T,
    in_force: &Config,
    default: &T,
    cases: &[(&str, Option<T>)],
) {
    let variable = key.to_ascii_uppercase();
    for (text, expected) in cases {
        for reload in [false, true] {
            for by_file in [true, false] {
                let file = if by_file { format!("{key} = \"{text}\"\n{URLS}") } else { URLS.to_owned() };
                let variables = if by_file { vec![] } else { vec![(&*variable, *text)] };
                let (lines, log) = Lines::install();
                let config = read(&file, &variables, reload.then_some(in_force)).unwrap();
                drop(log);
                let unset = text.trim().is_empty();
                let wanted = match expected {
                    Some(expected) => expected,
                    None if reload && !unset => &get(in_force),
                    None => default,
                };
                let case = format!("{key} = {text:?}, reload {reload}, file {by_file}");
                assert_eq!(get(&config), *wanted, "{case}");
                let warnings = lines.with("a setting is not used");
                assert_eq!(warnings.len(), usize::from(expected.is_none() && !unset), "{case}");
                for warning in warnings {
                    assert_eq!(
                        (warning["key"].as_str(), warning["value"].as_str()),
                        (Some(key), Some(*text))
                    );
                    let source = warning["source"].as_str().unwrap();
                    assert_eq!(source.ends_with("file.toml"), by_file, "{case}");
                    assert!(by_file || source == variable, "{case}");
                    let used = warning["used"].as_str().unwrap();
                    assert!(
                        used.ends_with(if reload { "(in force)" } else { "(default)" }),
                        "{case}: {used}"
                    );
                }
            }
        }
    }
}

fn in_force() -> Config {
    let text = "outbound_http_pool_maxsize = 7\nstorage_upload_threshold = 8\noutbound_http_connect_timeout = \"9s\"\n\
                outbound_http_read_timeout = \"11s\"\n";
    read(&format!("{text}{URLS}"), &[], None).unwrap()
}

#[test]
fn config_each_key_and_case_from_file_and_environment() {
    const TWO_64: &str = "18446744073709551616";
    let old = in_force();
    cases(
        "outbound_http_pool_maxsize",
        |config| config.pool_maxsize,
        &old,
        &50,
        &[
            ("20", Some(20)),
            (" 20 ", Some(20)),
            ("1", Some(1)),
            ("", None),
            ("0", None),
            ("-1", None),
            ("abc", None),
            ("1.5", None),
            (TWO_64, None),
            ("20s", None),
        ],
    );
    cases(
        "storage_upload_threshold",
        |config| config.storage_upload_threshold,
        &old,
        &3_000_000,
        &[
            ("20", Some(20)),
            (" 20 ", Some(20)),
            ("0", Some(0)),
            ("", None),
            ("-1", None),
            ("abc", None),
            ("1.5", None),
            (TWO_64, None),
            ("3MB", None),
        ],
    );
    let seconds = Duration::from_secs;
    let durations = [
        ("20s", Some(seconds(20))),
        (" 20s ", Some(seconds(20))),
        ("2", Some(seconds(2))),
        ("1.5", Some(Duration::from_millis(1500))),
        ("0", Some(Duration::ZERO)),
        ("", None),
        ("-1", None),
        ("abc", None),
        (TWO_64, None),
        ("20 bytes", None),
        ("nan", None),
    ];
    cases("outbound_http_connect_timeout", |config| config.connect_timeout, &old, &seconds(10), &durations);
    cases("outbound_http_read_timeout", |config| config.read_timeout, &old, &seconds(60), &durations);
}

#[test]
fn config_file_wins_and_next_source_helps_at_start_only() {
    let variable = [("OUTBOUND_HTTP_POOL_MAXSIZE", "30")];
    let maxsize = |text: &str, in_force: Option<&Config>| {
        read(&format!("{text}\n{URLS}"), &variable, in_force).unwrap().pool_maxsize
    };
    assert_eq!(maxsize("outbound_http_pool_maxsize = 20", None), 20);
    assert_eq!(maxsize("", None), 30);
    assert_eq!(maxsize("outbound_http_pool_maxsize = 0", None), 30);
    assert_eq!(maxsize("outbound_http_pool_maxsize = 0", Some(&in_force())), 7);
}

#[test]
fn config_urls_are_needed_and_may_have_no_credentials() {
    for (text, missing) in [
        ("", "webhook_url"),
        ("webhook_url = \"http://h/\"", "storage_url"),
        ("webhook_url = \"ftp://h/\"\nstorage_url = \"http://h/\"", "webhook_url"),
        ("webhook_url = \"http://h/\"\nstorage_url = \"http://user:pw@h/\"", "storage_url"),
        ("webhook_url = \"http://h/\"\nstorage_url = \"s3:///x\"", "storage_url"),
    ] {
        let error = read(text, &[], None).unwrap_err();
        assert!(matches!(error, ConfigError::Missing(key) if key == missing), "{text}: {error}");
    }
    let config = read("webhook_url = \"http://h/\"\nstorage_url = \"s3://mail/a/b/\"", &[], None).unwrap();
    assert_eq!(config.storage.url(), "s3://mail/a/b");
    let by_environment =
        [("WEBHOOK_URL", "https://w/"), ("STORAGE_URL", "http://s/x/"), ("STORAGE_TOKEN", "t")];
    let config = read("", &by_environment, None).unwrap();
    assert_eq!(config.webhook_url, "https://w");
    assert!(matches!(config.storage, StorageConfig::Http { ref url, token: Some(_) } if url == "http://s/x"));
}

#[test]
fn config_unknown_key_names_the_nearest() {
    let (lines, log) = Lines::install();
    read(&format!("outbound_http_pool_maxsise = 7\n{URLS}[outbound]\n"), &[], None).unwrap();
    drop(log);
    let unknown = lines.with("there is no such key; the nearest is outbound_http_pool_maxsize");
    assert_eq!((unknown.len(), unknown[0]["key"].as_str()), (1, Some("outbound_http_pool_maxsise")));
}
