//! Every key over what people write, from both sources, at start and on reload.

use std::fmt::Write as _;

use tower_outbound::settings::{Settings, Source, Sources};

use super::valid::{takes_words, valid, wrong_unit, zero};
use super::{File, keys, none, variable};

/// `text` for each key, as a TOML string.
fn file_with(text: impl Fn(&str) -> Option<String>) -> String {
    let mut file = String::new();
    for key in keys() {
        if let Some(text) = text(key) {
            writeln!(file, "{} = {text}", key).unwrap();
        }
    }
    file
}

fn variables_with(text: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    keys().into_iter().filter_map(|key| Some((variable(key), text(key)?))).collect()
}

/// What is written, and what the key then shows; `None` if it is broken.
type Case = (&'static str, fn(&str) -> String, fn(&str) -> Option<String>);

fn word(key: &str, text: &str) -> Option<String> {
    takes_words(key).then(|| text.to_owned())
}

const TWO_TO_64: &str = "18446744073709551616";

const CASES: &[Case] = &[
    ("valid", |key| valid(key).to_owned(), |key| Some(valid(key).to_owned())),
    ("blanks", |key| format!("  {}\t", valid(key)), |key| Some(valid(key).to_owned())),
    ("abc", |_| "abc".to_owned(), |key| word(key, "abc")),
    ("1.5", |_| "1.5".to_owned(), |key| word(key, "1.5")),
    ("zero", |_| "0".to_owned(), |key| zero(key).map(str::to_owned)),
    ("-1", |_| "-1".to_owned(), |key| word(key, "-1")),
    ("2^64", |_| TWO_TO_64.to_owned(), |key| word(key, TWO_TO_64)),
    ("wrong unit", |key| wrong_unit(key).to_owned(), |key| word(key, &wrong_unit(key).to_lowercase())),
];

/// Checks every key of the settings: the value, or the one of `instead` and a warning that says all.
fn check(settings: &Settings, case: &Case, source: impl Fn(&str) -> Source, instead: &Settings) {
    let (name, written, shown) = case;
    for key in keys() {
        let entry = settings.get(key).unwrap();
        let warning = settings.warnings().iter().find(|warning| warning.key() == Some(key));
        match shown(key) {
            Some(shown) => {
                assert_eq!((entry.value(), entry.source()), (&*shown, &source(key)), "{name}: {}", key);
                assert_eq!(warning, None, "{name}");
            }
            None => {
                let before = instead.get(key).unwrap();
                // The default of one key depends on another one.
                let implied = key == "retry.max_retries"
                    && settings.get("retry.connect_only").unwrap().value() == "true";
                if !implied {
                    assert_eq!(entry, before, "{name}");
                }
                let warning = warning.unwrap_or_else(|| panic!("{name}: {} has no warning", key));
                let used = format!("{} ({})", entry.value(), entry.source());
                let expected = (Some(&*written(key)), &source(key), Some(&*used));
                let found = (warning.value(), warning.source(), warning.used());
                assert_eq!(found, expected, "{name}: {}", key);
                assert!(!warning.reason().is_empty());
            }
        }
    }
}

#[test]
fn settings_from_environment_each_key_and_case_at_start() {
    for case in CASES {
        let variables = variables_with(|key| Some((case.1)(key)));
        let settings = Sources::new().variables(variables).load();
        check(&settings, case, |key| Source::Environment(variable(key)), &Settings::new());
    }
}

#[test]
fn settings_from_file_each_key_and_case_at_start() {
    for case in CASES {
        let file = File::new(&file_with(|key| Some(format!("{:?}", (case.1)(key)))));
        let settings = Sources::new().variables(none()).file(&file.0).load();
        check(&settings, case, |_| file.source(), &Settings::new());
    }
}

#[test]
fn settings_from_environment_each_key_and_case_on_reload() {
    let in_force = Sources::new().variables(variables_with(|key| Some(valid(key).to_owned()))).load();
    for case in CASES {
        let variables = variables_with(|key| Some((case.1)(key)));
        let settings = Sources::new().variables(variables).reload(&in_force).unwrap();
        check(&settings, case, |key| Source::Environment(variable(key)), &in_force);
    }
}

#[test]
fn settings_from_file_each_key_and_case_on_reload() {
    let file = File::new(&file_with(|key| Some(format!("{:?}", valid(key)))));
    let sources = Sources::new().variables(none()).file(&file.0);
    let in_force = sources.load();
    assert_eq!(in_force.warnings(), []);
    for case in CASES {
        file.write(&file_with(|key| Some(format!("{:?}", (case.1)(key)))));
        check(&sources.reload(&in_force).unwrap(), case, |_| file.source(), &in_force);
    }
}

#[test]
fn settings_numbers_of_file_without_quotes_are_the_same() {
    for number in ["1.5", "0", "-1", TWO_TO_64] {
        let quoted = File::new(&file_with(|_| Some(format!("{number:?}"))));
        let bare = File::new(&file_with(|_| Some(number.to_owned())));
        let load = |file: &File| Sources::new().variables(none()).file(&file.0).load();
        let text = |file: &File| load(file).to_string().replace(&file.0.display().to_string(), "file");
        assert_eq!(text(&bare), text(&quoted), "{number}");
        assert_eq!(load(&bare).warnings().len(), load(&quoted).warnings().len(), "{number}");
    }
}

#[test]
fn settings_empty_variable_counts_as_unset() {
    for empty in ["", " \t"] {
        let settings = Sources::new().variables(variables_with(|_| Some(empty.to_owned()))).load();
        assert!(settings.entries().all(|entry| *entry.source() == Source::Default), "{empty:?}");
        assert_eq!(settings.warnings(), []);
    }
}

#[test]
fn settings_empty_in_file_is_broken() {
    let file = File::new(&file_with(|_| Some("\"\"".to_owned())));
    let settings = Sources::new().variables(none()).file(&file.0).load();
    let lists = keys().into_iter().filter(|key| *key == "retry.status").count();
    assert_eq!(settings.warnings().len(), keys().len() - lists, "an empty list is none");
}

#[test]
fn settings_unset_are_the_defaults() {
    let settings = Sources::new().variables(none()).load();
    assert_eq!(settings.to_string(), Settings::new().to_string());
    assert_eq!(settings.warnings(), []);
}

#[test]
fn settings_code_over_environment_over_file() {
    let file = File::new("[pool]\nmax_idle = 1\nmax_connections = 1\nmax_uses = 1\n");
    let sources = Sources::new()
        .file(&file.0)
        .variables([("OUTBOUND_POOL_MAX_IDLE", "2"), ("OUTBOUND_POOL_MAX_CONNECTIONS", "2")])
        .code(Settings::new().max_idle(3));
    let shown = |settings: &Settings| {
        ["pool.max_idle", "pool.max_connections", "pool.max_uses", "pool.max_streams"]
            .map(|key| settings.get(key).unwrap().value().to_owned())
    };
    assert_eq!(shown(&sources.load()), ["3", "2", "1", "0"]);
    assert_eq!(shown(&sources.file_over_environment().load()), ["3", "1", "1", "0"]);
}

#[test]
fn settings_broken_at_start_use_next_valid_source() {
    let file = File::new("pool.max_idle = 5");
    let sources = Sources::new().file(&file.0).variables([("OUTBOUND_POOL_MAX_IDLE", "many")]);
    let settings = sources.load();
    let warning = settings.warnings()[0].to_string();
    let expected = format!(
        "pool.max_idle = \"many\" (OUTBOUND_POOL_MAX_IDLE): no whole number; 5 ({}) is used",
        file.0.display()
    );
    assert_eq!(warning, expected);
}

#[test]
fn settings_broken_on_reload_keep_value_in_force() {
    let file = File::new("pool.max_idle = 5");
    let in_force = Sources::new().variables([("OUTBOUND_POOL_MAX_IDLE", "9")]).load();
    let sources = Sources::new().file(&file.0).variables([("OUTBOUND_POOL_MAX_IDLE", "many")]);
    let settings = sources.reload(&in_force).unwrap();
    assert_eq!(settings.get("pool.max_idle"), in_force.get("pool.max_idle"), "not the file's 5");
}

#[test]
fn settings_unknown_keys_name_the_nearest() {
    let file = File::new("idle_timout = \"3s\"\n[pool]\nmax_conections = 3\n[shop]\npassword = \"secret\"\n");
    let variables = [("OUTBOUND_POOL_MAXIDLE", "secret"), ("OUTBOUND_OTHER", "x"), ("HOME", "/root")];
    let sources = Sources::new().file(&file.0).variables(variables).ignore(["OUTBOUND_OTHER"]);
    let settings = sources.load();
    let nearest = |key: &str| {
        let warning = settings.warnings().iter().find(|warning| warning.key() == Some(key)).unwrap();
        assert!(!warning.to_string().contains("secret"), "{warning}");
        warning.reason().rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(nearest("idle_timout"), "pool.idle_timeout");
    assert_eq!(nearest("pool.max_conections"), "pool.max_connections");
    assert_eq!(nearest("OUTBOUND_POOL_MAXIDLE"), "OUTBOUND_POOL_MAX_IDLE");
    let _ = nearest("shop");
    assert_eq!(settings.warnings().len(), 4);
}

#[test]
fn settings_section_leaves_rest_of_file_alone() {
    let file = File::new("name = 1\n[shop.outbound.pool]\nmax_idle = 4\n");
    let sources = Sources::new().variables(none()).file(&file.0).section("shop.outbound");
    let settings = sources.load();
    assert_eq!(settings.get("pool.max_idle").unwrap().value(), "4");
    assert_eq!(settings.warnings(), []);
    let absent = Sources::new().variables(none()).file(&file.0).section("other").load();
    assert_eq!(absent.warnings(), []);
}

#[test]
fn settings_file_unreadable_or_no_toml_is_warning_or_error() {
    let broken = File::new("pool.max_idle = \n");
    let missing = std::env::temp_dir().join("outbound-settings-not-there.toml");
    for (path, reason) in [(&broken.0, "the file is no TOML"), (&missing, "the file cannot be read")] {
        let sources = Sources::new().file(path).variables([("OUTBOUND_POOL_MAX_IDLE", "9")]);
        let settings = sources.load();
        assert_eq!(settings.get("pool.max_idle").unwrap().value(), "9");
        let warning = settings.warnings()[0].to_string();
        assert!(warning.contains(reason) && warning.contains(&path.display().to_string()), "{warning}");
        let error = sources.reload(&settings).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn settings_serde_round_trip_keeps_values() {
    let settings = Sources::new().variables(variables_with(|key| Some(valid(key).to_owned()))).load();
    let json = serde_json::to_string(&settings).unwrap();
    let back: Settings = serde_json::from_str(&json).unwrap();
    let values = |settings: &Settings| {
        settings
            .entries()
            .map(|entry| entry.to_string().replace(&entry.source().to_string(), ""))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&back), values(&settings));
    assert!(back.entries().all(|entry| *entry.source() == Source::Code));
    let broken: Settings = serde_json::from_str(r#"{"pool": {"max_idle": -1, "max_streams": 7}}"#).unwrap();
    assert_eq!(broken.warnings().len(), 1);
    assert_eq!(broken.get("pool.max_streams").unwrap().value(), "7");
}
