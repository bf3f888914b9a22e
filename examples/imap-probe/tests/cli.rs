//! Runs the program: its options, exit codes, messages and output.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::time::Duration;

use outbound_tests::otlp::Receiver;
use serde_json::Value;
use tokio::time::Instant;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imap-probe"));
    command.args(args).env("IMAP_PASSWORD", "s3cret").env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    command
}

fn probe(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

/// The arguments for a plain server at this address.
fn plain(server: &str) -> Vec<&str> {
    vec!["--server", server, "--tls", "none", "--user", "joe", "--password-env", "IMAP_PASSWORD"]
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn reports(output: &Output) -> Vec<Value> {
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn usage_wrong_exits_64_and_names_problem() {
    let with = |more: &[&'static str]| [plain("127.0.0.1:1"), more.to_vec()].concat();
    for (args, says) in [
        (with(&["--timeout", "0"]), "'--timeout <TIME>': it must be longer than zero"),
        (with(&["--timeout", "0s"]), "'--timeout <TIME>': it must be longer than zero"),
        (with(&["--timeout", "-2s"]), "'--timeout <TIME>': not from 1 ms to a day"),
        (with(&["--timeout", "2"]), "write a number and a unit"),
        (with(&["--timeout", "nans"]), "write a number and a unit"),
        (with(&["--every", "0s"]), "'--every <TIME>': it must be longer than zero"),
        (with(&["--mailbox", "a\r\nX LOGOUT"]), "'--mailbox <NAME>': a line break"),
        (with(&["--mailbox", "a\nb"]), "'--mailbox <NAME>': a line break"),
        (with(&["--mailbox", "a\" \"b"]), "'--mailbox <NAME>': a quote"),
        (with(&["--mailbox", "a\\"]), "'--mailbox <NAME>': a quote or a backslash"),
        (with(&["--mailbox", "Entw\u{fc}rfe"]), "modified UTF-7"),
        (with(&["--mailbox", ""]), "'--mailbox <NAME>': no name"),
        (vec!["--tls", "ssl"], "[possible values: none, starttls, tls]"),
        (vec!["--server", "localhost"], "no port: write HOST:PORT"),
        (vec!["--server", "localhost:0"], "the port is not a number from 1 to 65535"),
        (vec!["--server", "localhost:99999"], "the port is not a number from 1 to 65535"),
        (vec!["--server", ":143"], "'--server <HOST:PORT>': no host"),
        (vec!["--server", "::1:143"], "in brackets"),
        (vec!["--server", "a b:143"], "the host is not a name or an address"),
        (vec!["--server", "localhost:143"], "--password-env <VAR>"),
        (vec!["--server", "localhost:143", "--user", "a\r\nb"], "'--user <USER>': a line break"),
        (
            vec!["--server", "localhost:143", "--user", "joe", "--password-env", "IMAP_PROBE_NOT_SET"],
            "'IMAP_PROBE_NOT_SET' for '--password-env <VAR>': this variable is not set",
        ),
    ] {
        let output = probe(&args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {message}");
        assert!(message.contains(says), "{args:?}: {message}");
        assert!(output.stdout.is_empty());
    }
    let output = command(&plain("127.0.0.1:1")).env("IMAP_PASSWORD", "a\r\nb").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("its value has a line break") && !stderr(&output).contains("a\r"));
}

#[test]
fn help_exits_0_and_lists_options() {
    let output = probe(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--server <HOST:PORT>"));
}

#[test]
fn server_unknown_exits_1_and_names_host() {
    // `.invalid` is reserved (RFC 6761).
    let output = probe(&[plain("nowhere.invalid:143"), vec!["--json", "--timeout", "20s"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("in step connect") && stderr(&output).contains("`nowhere.invalid`"));
    assert_eq!(reports(&output)[0]["steps"][0]["error_type"], "name_resolution_error");
}

/// Serves one connection: sends these bytes, then reads until the client closes.
fn serve(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // The client may close before it has read all.
        let _ = stream.write_all(&bytes);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}

#[test]
fn greeting_that_is_not_imap_exits_1_and_says_so() {
    let endless = "x".repeat(1 << 20);
    for (greeting, says) in [
        (b"* OK caf\xe9\r\n".to_vec(), "its greeting is not UTF-8"),
        (b"220 mail.example ESMTP\r\n".to_vec(), "its greeting is \"220 mail.example ESMTP\""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "its greeting is \"HTTP/1.1 400 Bad Request\""),
        (b"\x1b[2J\r\n".to_vec(), "its greeting is \"\\u{1b}[2J\""),
        (b"\r\n".to_vec(), "its greeting is \"\""),
        (endless.into_bytes(), "its greeting has no end within 8192 bytes"),
        (b"* BYE too many connections\r\n".to_vec(), "refused: * BYE too many connections"),
    ] {
        let server = serve(greeting).to_string();
        let output = probe(&[plain(&server), vec!["--json", "--timeout", "20s"]].concat());
        assert_eq!(output.status.code(), Some(1), "{says}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
        assert_eq!(reports(&output)[0]["steps"][1]["outcome"], "failed");
    }
}

#[test]
fn line_without_end_after_greeting_exits_1_and_is_bounded() {
    for (rest, says) in [
        ("* OK ".to_owned() + &"x".repeat(1 << 20), "a line of more than 65536 bytes"),
        ("* x\r\n".to_owned(), "the server does not speak IMAP: an answer of it cannot be parsed"),
        ("* BAD {500000000}\r\n".to_owned(), "a literal of more than 65536 bytes"),
    ] {
        let server = serve(format!("* OK ready\r\n{rest}")).to_string();
        let output = probe(&[plain(&server), vec!["--json", "--timeout", "20s"]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
        assert_eq!(reports(&output)[0]["steps"][2]["outcome"], "failed");
    }
}

#[test]
fn server_that_closes_is_failed_as_response_ended() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let server = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || drop(listener.accept().unwrap()));
    let output = probe(&[plain(&server), vec!["--json", "--timeout", "20s"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(reports(&output)[0]["steps"][1]["error_type"], "response_ended");
    assert!(stderr(&output).contains("the server closed the connection"), "{}", stderr(&output));
}

#[test]
fn report_of_server_that_stalls_has_documented_keys() {
    let server = serve("* OK ready\r\n").to_string();
    let args =
        [plain(&server), vec!["--mailbox", "INBOX", "--mailbox", "Archive", "--timeout", "300ms", "--json"]];
    let output = probe(&args.concat());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let [report] = &reports(&output)[..] else { panic!("one report") };
    let keys = |value: &Value| {
        let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(report), ["outcome", "steps", "timed_out_in", "total_s"]);
    assert_eq!([&report["outcome"], &report["timed_out_in"]], ["timed_out", "login"]);
    assert!(report["total_s"].as_f64().unwrap() >= 0.3);
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["connect", "greeting", "login", "select", "select", "logout"]);
    for step in steps {
        assert_eq!(keys(step), ["duration_s", "error_type", "name", "outcome", "target"]);
    }
    assert_eq!([&steps[4]["target"], &steps[4]["outcome"]], ["Archive", "not_reached"]);
    assert_eq!([&steps[4]["duration_s"], &steps[4]["error_type"]], [&Value::Null; 2]);
    assert_eq!(steps[2]["error_type"], "deadline_exceeded");
}

#[test]
fn demonstration_is_healthy_stalls_and_refuses() {
    let output = probe(&["--json", "--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let outcomes: Vec<_> = reports(&output).iter().map(|report| report["outcome"].to_string()).collect();
    assert_eq!(outcomes, ["\"ok\"", "\"timed_out\"", "\"failed\""]);
    assert_eq!(reports(&output)[1]["timed_out_in"], "select");

    let output = probe(&["--timeout", "1s"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("imap-probe: timed_out in select INBOX after 1."), "{table}");
    assert!(table.contains("connection_refused"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_has_operation_and_steps_without_password() {
    let receiver = Receiver::start().await.unwrap();
    let endpoint = receiver.http_endpoint();
    let output = tokio::task::spawn_blocking(move || {
        let mut command = command(&["--json", "--timeout", "1s"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).output().unwrap()
    });
    assert_eq!(output.await.unwrap().status.code(), Some(0));
    let spans = receiver.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name() == name).collect::<Vec<_>>();
    let operations = named("operation imap-probe");
    assert_eq!(operations.len(), 3);
    for connect in named("step connect") {
        assert!(operations.iter().any(|operation| operation.span_id() == connect.parent_span_id()));
    }
    let connects: Vec<_> = named("step connect").iter().map(|span| span.span_id()).collect();
    let setups: Vec<_> =
        spans.iter().filter(|span| span.name().starts_with("HTTP connection_setup")).collect();
    assert_eq!(setups.len(), 3);
    assert!(setups.iter().all(|setup| connects.contains(&setup.parent_span_id())));
    let names = receiver.metric_names();
    for name in ["duration", "step.duration", "steps"] {
        assert!(names.contains(&format!("outbound.operation.{name}")), "{names:?}");
    }
}

/// A receiver that accepts and never answers: the export ends within 1 s, and the exit code is the probe's.
#[test]
fn telemetry_that_hangs_delays_exit_by_1_s_and_keeps_code() {
    let receiver = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", receiver.local_addr().unwrap());
    let refusing = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().to_string();
    let start = Instant::now();
    let output = command(&plain(&refusing)).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).output().unwrap();
    let took = start.elapsed();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(took < Duration::from_secs(3), "{took:?}");

    let mut command = command(&plain(&refusing));
    let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "not a URL").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

/// Stopped by a signal, after at least two rounds.
#[cfg(unix)]
#[test]
fn every_probes_again_until_stopped() {
    use std::io::BufRead as _;
    use std::process::Stdio;

    let args = ["--every", "10ms", "--timeout", "10ms", "--json"];
    let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..6 {
        serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    }
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let status = child.wait().unwrap();
    assert!(status.code().is_some(), "{status}");
}
