//! A file that changes.

use tower_outbound::Outbound;
use tower_outbound::settings::Source;

use super::*;
use crate::support::recorded;

#[test]
fn reload_takes_values_and_counts() {
    let file = File::new("pool.max_idle = 3\n");
    let (outbound, recorder) = recorded();
    outbound.reload(&file.sources()).unwrap();
    let settings = outbound.settings();
    let entry = settings.get("pool.max_idle").unwrap();
    assert_eq!((entry.value(), entry.source()), ("3", &Source::File(file.path.clone())));
    assert_eq!(recorder.count("Reloaded"), 1);
}

#[test]
fn reload_of_broken_file_keeps_settings_and_counts() {
    let file = File::new("pool.max_idle = 3\n");
    let recorder = outbound_tests::recorder::Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).settings(file.sources().load()).build();
    let before = outbound.settings().to_string();
    for broken in ["pool.max_idle = \n", "[pool", "\u{0}"] {
        file.write(broken);
        let error = outbound.reload(&file.sources()).unwrap_err().to_string();
        assert!(error.contains("the file is no TOML"), "{error}");
        assert_eq!(outbound.settings().to_string(), before);
    }
    assert_eq!(recorder.count("Reloaded"), 3);
    file.write("pool.max_idle = 4\n");
    outbound.reload(&file.sources()).unwrap();
    assert_ne!(outbound.settings().to_string(), before);
}

#[test]
fn reload_without_a_key_goes_back_to_default() {
    let file = File::new("pool.max_idle = 3\n");
    let outbound = Outbound::builder().settings(file.sources().load()).build();
    file.write("");
    outbound.reload(&file.sources()).unwrap();
    assert_eq!(outbound.settings().get("pool.max_idle").unwrap().to_string(), "pool.max_idle = 0 (default)");
}
