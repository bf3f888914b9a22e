//! Runs the gateway: its options, exit codes and output.

mod process;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::process::{gateway, stderr};

#[test]
fn option_invalid_value_exits_64_and_names_option() {
    for (key, value) in [
        ("--seconds", "0"),
        ("--seconds", "-1"),
        ("--seconds", "abc"),
        ("--seconds", "99999999999999999999"),
        ("--listen", "nowhere"),
        ("--restart-every", "0"),
        ("--seed", "x"),
    ] {
        let output = gateway(&[key, value], &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{key} {value}: {message}");
        assert!(message.contains(key) && message.contains(value), "{message}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(gateway(&["--unknown"], &[]).status.code(), Some(64));
}

#[test]
fn listen_port_in_use_exits_64_and_names_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = gateway(&["--listen", &address], &[]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{message}");
    assert!(message.contains("--listen") && message.contains(&address), "{message}");
}

#[test]
fn help_exits_0_and_lists_options() {
    let output = gateway(&["--help"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--seconds <N>"));
}

const FAILURES: &str = include_str!("../../../crates/tower-outbound/src/docs/failures.md");

/// The cells after the first of the row that begins with this name.
fn documented(name: &str) -> Vec<&'static str> {
    let begin = format!("| `{name}` | ");
    let row = FAILURES.lines().find_map(|line| line.strip_prefix(&begin));
    let row = row.unwrap_or_else(|| panic!("{name} is not in the document"));
    row.trim_end_matches(" |").split(" | ").collect()
}

/// Whether a cell has this value: `a / b` is HTTP/1 and HTTP/2, `a, b` is either.
fn allows(cell: &str, http: &str, value: &str) -> bool {
    let version = cell.split_once(" / ").map_or(cell, |(one, two)| if http == "1" { one } else { two });
    version.split(", ").any(|allowed| allowed == value)
}

#[test]
fn faults_kind_and_retry_match_documentation() {
    let start = tokio::time::Instant::now();
    let output = gateway(&["--faults", "--json"], &[]);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let mut kinds = BTreeSet::new();
    for row in &rows {
        let text = |key: &str| row[key].as_str().unwrap_or("–");
        let (http, kind) = (text("http"), text("kind"));
        let cells = documented(text("fault"));
        let [http1, http2, class, phase, send] = cells.as_slice() else { panic!("{cells:?}") };
        assert!(allows(if http == "1" { http1 } else { http2 }, http, kind), "{row}");
        assert!(allows(send, http, text("send_state")), "{row}");
        assert_eq!(row["documented"], true, "{row}");
        if matches!(kind, "ok" | "cancelled") {
            assert_ne!(row["resent"], true, "{row}");
            assert_eq!(text("class"), "–", "{row}");
            continue;
        }
        assert!(allows(class, http, text("class")), "{row}");
        assert!(allows(phase, http, text("phase")), "{row}");
        kinds.insert(kind.to_owned());
        match documented(kind).last().copied() {
            Some("yes") => assert_eq!(row["resent"], true, "{row}"),
            Some("no") => assert_eq!(row["resent"], false, "{row}"),
            Some("if unsent") => assert_eq!(row["resent"], text("send_state") == "not_sent", "{row}"),
            Some("if not processed") => {
                let not_processed = matches!(text("send_state"), "not_sent" | "not_processed");
                assert_eq!(row["resent"], not_processed, "{row}");
            }
            // Whether it is depends on more than that.
            _ => {}
        }
    }
    assert!(rows.len() >= 50 && kinds.len() >= 20, "{} faults of {} kinds", rows.len(), kinds.len());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn faults_printed_as_table_and_exclude_run_options() {
    let output = gateway(&["--faults"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let columns = |name| -> Vec<_> {
        let row = text.lines().find(|line| line.starts_with(name));
        row.unwrap_or_else(|| panic!("{name} is not in {text}")).split_whitespace().collect()
    };
    assert_eq!(
        columns("connect-refused "),
        ["connect-refused", "1", "connection_refused", "tcp", "not_sent", "yes:", "connect"]
    );
    assert_eq!(
        columns("fin-after-request "),
        ["fin-after-request", "1", "response_ended", "wait", "sent", "no:", "maybe", "processed"]
    );
    assert!(text.lines().last().unwrap().contains(" faults reported as documented in "), "{text}");
    for more in [["--serve"].as_slice(), &["--seconds", "1"], &["--listen", "127.0.0.1:0"]] {
        let args = [&["--faults"], more].concat();
        assert_eq!(gateway(&args, &[]).status.code(), Some(64), "{args:?}");
    }
}

/// One receiver refuses connections, one accepts them and never responds.
#[test]
fn run_without_receiver_ends_in_time_and_reports_losses() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [(refused, "refused"), (hanging.local_addr().unwrap(), "timed_out")];
    let runs = cases.into_iter().flat_map(|case| ["grpc", "http/protobuf"].map(|protocol| (case, protocol)));
    std::thread::scope(|scope| {
        for ((address, reason), protocol) in runs {
            scope.spawn(move || {
                let endpoint = format!("http://{address}");
                let variables =
                    [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
                let start = tokio::time::Instant::now();
                let output = gateway(&["--seconds", "1"], &variables);
                let took = start.elapsed();
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
                assert!(took < Duration::from_secs(12), "{took:?}");
                let last = text.lines().last().unwrap();
                let words = format!("Telemetry to {endpoint}: spans: 0 delivered, ");
                assert!(last.starts_with(&words), "{last}");
                let [spans, exports] =
                    ["spans: ", "metric exports: "].map(|what| last.split_once(what).unwrap().1);
                assert!(spans.contains(reason) && exports.contains(&format!("({reason} ")), "{last}");
            });
        }
    });
}

#[test]
fn sigterm_ends_serve_with_exit_0_and_telemetry_report() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .args(["--seconds", "1", "--serve"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{receiver}"));
    let mut gateway = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(gateway.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("Serving on http://")));
    let killed = Command::new("kill").args(["-TERM", &gateway.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let last = lines.last().unwrap();
    assert!(last.starts_with(&format!("Telemetry to http://{receiver}: spans: 0 delivered, ")), "{last}");
    assert_eq!(gateway.wait().unwrap().code(), Some(0));
}

/// Unusable variables change only the warnings.
#[test]
fn run_reports_received_telemetry_and_warns_of_bad_variables() {
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "garbage"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "x")];
    let output = gateway(&["--seconds", "1", "--json"], &variables);
    let warnings = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{warnings}");
    let lines = warnings.lines().filter(|line| !line.contains(" INFO "));
    let (page, lines): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.starts_with("What the gateway sees now: http"));
    assert_eq!((page.len(), lines.len()), (1, variables.len()), "{warnings}");
    for (key, value) in variables {
        assert!(warnings.contains(&format!("{key}={value} ")), "{warnings}");
    }

    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["source"], "embedded OTLP receiver");
    let (traces, spans) = (report["traces"].as_u64().unwrap(), report["spans"].as_u64().unwrap());
    // 3 cold and 34 warm requests precede the concurrent ones. Each has a span of the caller, one of
    // the gateway and one of the client.
    assert!(traces > 37 && spans > 3 * 37, "{report}");

    let hosts = report["hosts"].as_array().unwrap();
    let names: Vec<_> = hosts.iter().map(|host| (&host["host"], &host["scheme"], &host["role"])).collect();
    let [plain, tls] =
        [("127.0.0.1", "http"), ("localhost", "https")].map(|(host, scheme)| [host, scheme].map(Value::from));
    let [twin, below] = ["the twin", "its upstream"].map(Value::from);
    assert_eq!(
        names,
        [
            (&plain[0], &plain[1], &Value::Null),
            (&tls[0], &tls[1], &Value::Null),
            (&plain[0], &plain[1], &twin),
            (&plain[0], &plain[1], &below),
        ]
    );
    for host in hosts {
        // Two requests through the twin precede the concurrent ones, and each worker's round has one.
        assert!(host["requests"].as_u64().unwrap() > 2, "{host}");
        assert!(host["connections"].as_u64().unwrap() > 0, "{host}");
        let reuse_rate = host["reuse_rate"].as_f64();
        assert!(reuse_rate.is_some_and(|rate| rate > 0.0 && rate < 1.0), "{host}");
        for phase in ["connect", "ttfb", "body"] {
            let [p50, p99] = ["p50", "p99"].map(|p| host[format!("{phase}_{p}_s")].as_f64().unwrap());
            assert!(p50 > 0.0 && p50 <= p99, "{phase} of {host}");
        }
    }
    let metrics: Vec<_> =
        report["metrics"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for name in ["outbound.requests", "outbound.connect.duration", "http.client.request.duration"] {
        assert!(metrics.contains(&name), "{metrics:?}");
    }
}

#[test]
fn run_shows_twin_request_with_all_hops_in_same_trace() {
    let output = gateway(&["--seconds", "1"], &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = text.lines().skip_while(|line| !line.starts_with("TWIN ")).skip(1);
    let bars = shown.map_while(|line| line.split_once('│').map(|(name, _)| name.trim_end()));
    let hops: Vec<_> = bars.filter(|name| name.ends_with(')')).collect();
    // Each hop is below its parent. The twin calls both upstreams at once.
    assert_eq!(
        hops[..4],
        [
            "  GET (caller)",
            "    GET /twin/{item} (gateway)",
            "      gateway.Twin/Quote (upstream)",
            "        gateway.Twin/Quote (twin)",
        ]
    );
    let both: BTreeSet<_> = hops[4..].iter().copied().collect();
    assert_eq!(
        both,
        BTreeSet::from(["          GET /fast (upstream)", "          gateway.Prices/Price (upstream)"])
    );
    let whole = text.lines().find(|line| line.contains(" traces whole: ")).unwrap();
    let [whole, of] =
        whole.split_once(" of ").map(|(whole, rest)| [whole, rest.split(' ').next().unwrap()]).unwrap();
    assert_eq!(whole, of, "{text}");
    let by_twin = text.lines().find(|line| line.contains(" of them by way of the twin: ")).unwrap();
    assert!(by_twin.split(' ').next().unwrap().parse::<usize>().unwrap() > 2, "{by_twin}");
}
