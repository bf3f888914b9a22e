//! Runs the program: its options, the service, and the run that drives itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use outbound_tests::server::{Script, ScriptedServer};
use serde_json::Value;
use tempfile::TempDir;
use tower_outbound::{Outbound, OutboundClient};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mail-filter");
const ACCEPTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Without the variables of the surrounding shell.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (key, _) in std::env::vars_os() {
        let key = key.to_string_lossy();
        let ours = ["OTEL_", "OUTBOUND_", "WEBHOOK_", "STORAGE_", "S3_", "RUST_LOG"];
        if ours.iter().any(|begin| key.starts_with(begin)) {
            command.env_remove(&*key);
        }
    }
    command.args(args);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn option_invalid_value_exits_64_and_names_option() {
    for args in [
        ["--seconds", "0"],
        ["--seconds", "-1"],
        ["--seconds", "abc"],
        ["--listen", "nowhere"],
        ["--config", "/does/not/exist.toml"],
    ] {
        let output = command(&args).output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {message}");
        assert!(message.contains(args[1]), "{message}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(command(&["--json"]).output().unwrap().status.code(), Some(64));
    let output = command(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(
        stderr(&output).contains("no valid webhook_url: set it in the file, or WEBHOOK_URL"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn help_exits_0_and_lists_options() {
    let output = command(&["--help"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("--config <FILE>") && text.contains("--seconds <N>"), "{text}");
    assert!(!text.contains("--plant"), "{text}");
}

/// The service as a process. It ends with this.
struct Service {
    process: Child,
    address: String,
    log: Lines<BufReader<ChildStderr>>,
    path: PathBuf,
    _directory: TempDir,
}

impl Service {
    fn start(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail-filter.toml");
        fs::write(&path, text).unwrap();
        let mut command = command(&["--listen", "127.0.0.1:0", "--config"]);
        command.arg(&path).envs([("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}")).trim_end().to_owned();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, address, log, path, _directory: directory }
    }

    /// The next line of the log with this message.
    fn said(&mut self, message: &str) -> Value {
        for line in &mut self.log {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
        panic!("it ended without {message}")
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Writes the file, and signals.
    fn reload(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
        self.signal("-HUP");
    }

    async fn send(&self, client: &OutboundClient, id: &str) -> (u16, Value) {
        let request = http::Request::post(format!("{}/messages", self.address)).header("x-message-id", id);
        let response = client.request(request.body("hello".to_owned()).unwrap()).await.unwrap();
        (response.status().as_u16(), response.into_body().json().await.unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn service_decides_reloads_on_sighup_and_ends_on_sigterm() {
    let first = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let refusal = "HTTP/1.1 403 Forbidden\r\ncontent-length: 18\r\n\r\n{\"reason\": \"spam\"}";
    let second = ScriptedServer::tcp(Script::answering(refusal)).await.unwrap();
    let file = |webhook: &ScriptedServer| {
        format!("webhook_url = \"{}\"\nstorage_url = \"http://127.0.0.1:9/\"\n", webhook.uri("/"))
    };
    let client = Outbound::new().client();
    let mut service = Service::start(&format!("outbound_http_pool_maxsize = 0\n{}", file(&first)));
    let warning = service.said("a setting is not used: below 1");
    assert_eq!(
        (warning["key"].as_str(), warning["used"].as_str()),
        (Some("outbound_http_pool_maxsize"), Some("50 (default)"))
    );
    let table = service.said("the settings in force");
    for shown in ["pool.max_connections_per_origin = 50 (code)", "pool.when_full = overflow (code)"] {
        assert!(table["settings"].as_str().unwrap().contains(shown), "{table}");
    }
    let accepted = serde_json::json!({"id": "one", "verdict": "accept"});
    assert_eq!(service.send(&client, "one").await, (200, accepted.clone()));
    assert_eq!(service.said("message")["verdict"], "accept");

    service.reload("webhook_url = [");
    let line = service.said("not reloaded");
    assert!(line["error"].as_str().unwrap().contains("the file is no TOML"), "{line}");
    assert_eq!(service.send(&client, "one").await, (200, accepted));

    service.reload(&file(&second));
    let line = service.said("reloaded");
    assert_eq!(line["pool_maxsize"], 50);
    let (status, answer) = service.send(&client, "two").await;
    let rejected = serde_json::json!({"id": "two", "verdict": "reject", "reason": "spam"});
    assert_eq!((status, answer), (403, rejected));
    assert_eq!((first.requests(), second.requests()), (2, 1));

    let page = client.get(format!("{}/metrics", service.address)).await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/plain; version=0.0.4");
    let page = page.into_body().text().await.unwrap();
    // Its own names, and those of the client's observer.
    for sample in [
        "milter_webhook_calls_total{verdict=\"reject\"} 1",
        "outbound_config_reload_total",
        "outbound_requests_total",
    ] {
        assert!(page.contains(sample), "{sample}: {page}");
    }
    service.signal("-TERM");
    assert_eq!(service.process.wait().unwrap().code(), Some(0));
}

fn drive(args: &[&str]) -> (Option<i32>, Value, String) {
    let output = command(&[&["--json", "--seconds"], args].concat()).output().unwrap();
    let report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    (output.status.code(), report, stderr(&output))
}

fn count(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} of {report}"))
}

#[test]
fn drive_under_faults_and_reloads_loses_nothing() {
    let (code, report, stderr) = drive(&["15"]);
    assert_eq!((code, &*stderr), (Some(0), ""), "{report}");
    let keys: Vec<_> = report.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "messages",
        "accepted",
        "rejected",
        "try_later",
        "lost",
        "wrong",
        "delivered_twice",
        "uploads",
        "retries",
        "reloads",
        "max_sockets",
        "errors",
        "hosts",
    ];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for none in ["lost", "wrong", "delivered_twice"] {
        assert_eq!(count(&report, none), 0, "{report}");
    }
    let verdicts: u64 = ["accepted", "rejected", "try_later"].map(|key| count(&report, key)).iter().sum();
    assert_eq!(count(&report, "messages"), verdicts);
    for some in ["accepted", "rejected", "try_later", "uploads", "reloads", "max_sockets"] {
        assert!(count(&report, some) > 0, "{some}: {report}");
    }
    let errors: BTreeMap<String, u64> = serde_json::from_value(report["errors"].clone()).unwrap();
    for class in ["timeout", "connection_refused", "connection_reset", "network_error"] {
        assert!(errors[class] > 0, "{report}");
    }
    let hosts = report["hosts"].as_array().unwrap();
    let roles: Vec<_> = hosts.iter().map(|host| host["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["the webhook", "the storage over HTTP", "the storage over S3"]);
    assert!(
        hosts.iter().all(|host| count(host, "requests") > 0 && host["reuse_rate"].as_f64().is_some()),
        "{report}"
    );
}

#[test]
fn drive_planted_faults_are_found_by_their_count() {
    let (code, report, _) = drive(&["4", "--plant-wrong", "3", "--plant-lost", "2", "--plant-twice", "4"]);
    let found = ["wrong", "lost", "delivered_twice"].map(|key| count(&report, key));
    assert_eq!((code, found), (Some(1), [3, 2, 4]), "{report}");
}
