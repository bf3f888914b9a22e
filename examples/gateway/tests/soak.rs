//! `gateway --soak` as a process: upstream restarts under load, and a report without problems.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Runs a soak and returns its exit code and its report. `ask` may end the soak early.
fn soak(args: &[&str], ask: impl FnOnce(&mut Child)) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(["--soak", "--json"]).args(args);
    // The soak needs its telemetry whatever the environment says.
    command.env("OTEL_SDK_DISABLED", "true").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    ask(&mut child);
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (child.wait().unwrap().code(), serde_json::from_str(&text).unwrap())
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} of {value}"))
}

fn adds_up(code: Option<i32>, account: &Value) {
    assert_eq!(account["problems"], Value::Array(Vec::new()), "{account}");
    assert_eq!((code, &account["adds_up"]), (Some(0), &Value::Bool(true)), "{account}");
    let calls = ["calls_ok", "calls_failed", "calls_unanswered"].map(|key| number(account, key));
    assert_eq!(calls.iter().sum::<u64>(), number(account, "gateway_spans"), "{account}");
    for upstream in account["upstreams"].as_array().unwrap() {
        let of = |key| number(upstream, key);
        let failed = of("failed_never_sent") + of("failed_maybe_processed");
        assert_eq!(of("exchanges"), of("answered") + failed, "{upstream}");
        assert_eq!(of("exchanges"), of("requests_metric"), "{upstream}");
        let lost = of("answered_and_not_logged");
        assert!(lost <= of("kills"), "{upstream}");
        assert_eq!(of("logged") + lost, of("answered") + of("maybe_processed_and_logged"), "{upstream}");
        assert_eq!(of("resends"), of("retries_metric"), "{upstream}");
        let setups_to_come = of("connections_opened_metric") - of("connections_setup");
        assert!(setups_to_come <= of("connections_still_open"), "{upstream}");
    }
}

#[test]
fn soak_restarts_under_load_match_upstream_logs() {
    let (code, account) = soak(&["--seconds", "4", "--restart-every", "300"], |_| {});
    adds_up(code, &account);
    let upstreams = account["upstreams"].as_array().unwrap();
    assert!(upstreams.iter().all(|upstream| number(upstream, "answered") > 0), "{account}");
    for restarted in &upstreams[..2] {
        assert!(number(restarted, "restarts") > 0, "{account}");
        assert!(number(restarted, "connections_opened_metric") > 1, "{account}");
    }
    let tonic = &upstreams[1];
    assert_eq!(tonic["connections_accepted"], tonic["connections_opened_metric"], "{account}");
}

#[test]
fn soak_sigint_or_sigterm_ends_early_with_account() {
    for name in ["-INT", "-TERM"] {
        let (code, account) = soak(&["--seconds", "600", "--restart-every", "300"], |gateway| {
            // The signal handlers are installed before this line is printed.
            let mut lines = BufReader::new(gateway.stderr.take().unwrap()).lines();
            assert!(lines.any(|line| line.unwrap().starts_with("Under load until ")));
            let killed = Command::new("kill").args([name, &gateway.id().to_string()]).status().unwrap();
            assert!(killed.success());
        });
        adds_up(code, &account);
        assert!(number(&account["at_the_end"], "after_s") < 60, "{account}");
    }
}
