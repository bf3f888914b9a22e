//! Runs the service.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use http::Uri;
use outbound_tests::program::OK;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower_outbound::{Outbound, OutboundClient};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-axum");

/// Starts the service and waits until it listens.
fn start(upstream: &str) -> (Child, String) {
    let mut command = Command::new(PROGRAM);
    command.args([upstream, "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    // No collector.
    command.envs([("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]);
    command.env("NO_COLOR", "1");
    // With one thread a connection is back in its pool before the next request looks for one.
    let mut service = command.env("TOKIO_WORKER_THREADS", "1").spawn().unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
    (service, address.trim_end().to_owned())
}

async fn get(client: &OutboundClient, uri: String) -> (u16, String) {
    let response = client.get(uri).await.unwrap();
    (response.status().as_u16(), response.into_body().text().await.unwrap())
}

/// Sends SIGTERM. Returns the exit code and the log.
fn terminate(service: Child) -> (Option<i32>, String) {
    let kill = Command::new("kill").arg(service.id().to_string()).status().unwrap();
    assert!(kill.success());
    let output = service.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_handler_answers_and_logs_timings() {
    let upstream = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let origin = upstream.uri("/").to_string();
    let (service, address) = start(origin.trim_end_matches('/'));
    let client = Outbound::new().client();
    for _ in 0..2 {
        assert_eq!(get(&client, format!("{address}/stock/tea")).await, (200, "ok".to_owned()));
    }
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("upstream answered")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].ends_with(" ms, connection 1 new"), "{log}");
    assert!(lines[1].ends_with(" ms, connection 1 reused"), "{log}");
    let log = upstream.log();
    let heads: Vec<_> = log.iter().flat_map(|connection| &connection.heads).collect();
    assert!(heads.iter().all(|head| head.starts_with("GET /stock/tea HTTP/1.1\r\n")), "{heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn axum_handler_refused_upstream_is_bad_gateway() {
    let closed: Uri = format!("http://{}", closed_port().unwrap()).parse().unwrap();
    let (service, address) = start(closed.to_string().trim_end_matches('/'));
    let client = Outbound::new().client();
    assert_eq!(get(&client, format!("{address}/stock/tea")).await, (502, String::new()));
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("upstream failed") && log.contains("kind=\"connection_refused\""), "{log}");
}
