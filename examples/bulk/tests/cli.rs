//! Runs the program: its options, exit codes and output.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

fn bulk(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bulk")).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn option_invalid_value_exits_64_and_names_option() {
    for value in ["0", "-1", "abc", "99999999999999999999"] {
        let output = bulk(&["--seconds", value]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{value}: {message}");
        assert!(message.contains("--seconds") && message.contains(value), "{message}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(bulk(&["--unknown"]).status.code(), Some(64));
}

#[test]
fn help_exits_0_and_lists_options() {
    let output = bulk(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--seconds <N>"));
}

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn release_before_backoff_run_serves_more_than_held() {
    let start = Instant::now();
    let output = bulk(&["--seconds", "1", "--json"]);
    let took = start.elapsed();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // No progress bar and no warning.
    assert_eq!(stderr(&output), "");
    // Each run is cut off at its end, although most workers are in a wait.
    assert!(took < Duration::from_secs(6), "{took:?}");

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(keys(&report), ["dropped", "held", "released"]);
    let (released, held, dropped) = (&report["released"], &report["held"], &report["dropped"]);
    assert_eq!(
        keys(released),
        [
            "closed",
            "connections_opened",
            "drained",
            "duplicates",
            "longest_wait_s",
            "pool_timeouts",
            "requests",
            "requests_per_s"
        ]
    );
    assert_eq!(keys(held), ["longest_wait_s", "pool_timeouts", "requests", "requests_per_s"]);
    assert_eq!(keys(dropped), ["connections_opened", "requests", "requests_per_s"]);

    assert_eq!(released["pool_timeouts"], 0);
    assert_eq!(released["duplicates"], 0);
    let count = |value: &Value| value.as_u64().unwrap();
    // Released serves about 640 requests before all 64 workers wait. Held serves about 40 before its four slots are
    // in a wait of a second.
    assert!(count(&released["requests"]) >= 3 * count(&held["requests"]), "{report}");
    assert!(count(&held["requests"]) >= 30, "{report}");
    assert!(count(&released["drained"]) > count(&released["closed"]), "{report}");
    assert!(count(&released["connections_opened"]) < count(&dropped["connections_opened"]), "{report}");
    for run in [released, held, dropped] {
        let (requests, per_s) = (count(&run["requests"]) as f64, run["requests_per_s"].as_f64().unwrap());
        assert!(per_s > 0.0 && per_s <= requests, "it took a second at least: {report}");
    }
}

#[test]
fn break_pool_is_back_in_time_within_its_limit() {
    let output = bulk(&["--break-pool", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let (recovery, reset, neither) = (&report["recovery"], &report["reset"], &report["neither"]);
    let acquire_timeout = report["acquire_timeout_s"].as_f64().unwrap();
    let seconds = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{report}"));
    assert!(seconds(&recovery["back_after_break_s"]) <= acquire_timeout + 1.0, "{report}");
    assert!(seconds(&reset["back_after_call_s"]) <= 1.0, "{report}");
    assert!(neither["back_after_break_s"].is_null(), "{report}");
    for (run, cut) in [(recovery, 8), (reset, 8), (neither, 0)] {
        assert_eq!((&run["cut"], &run["failed_otherwise"]), (&cut.into(), &0.into()), "{report}");
        assert_eq!(run["connections_at_most"], 8, "{report}");
        assert_eq!(run["connections_opened"], 8 + cut, "{report}");
        assert_eq!(run["answers"].as_array().unwrap().len(), 60, "{report}");
    }
}
