//! The guide's programs, run: each says of its two requests that the second was on the first one's connection.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use http::{Request, Response, Uri};
use outbound_tests::server::{H2Server, Script, ScriptedServer, closed_port};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::ServiceExt;

const PROGRAMS: [(&str, &str); 8] = [
    ("outbound_client", env!("CARGO_BIN_EXE_outbound_client")),
    ("hyper_util", env!("CARGO_BIN_EXE_hyper_util")),
    ("hyper_http1", env!("CARGO_BIN_EXE_hyper_http1")),
    ("hyper_http2", env!("CARGO_BIN_EXE_hyper_http2")),
    ("client_pool", env!("CARGO_BIN_EXE_client_pool")),
    ("tonic", env!("CARGO_BIN_EXE_tonic")),
    ("reqwest", env!("CARGO_BIN_EXE_reqwest")),
    ("authentication", env!("CARGO_BIN_EXE_authentication")),
];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn run(name: &str, uri: &Uri) -> Output {
    let (_, path) = PROGRAMS.iter().find(|(program, _)| *program == name).unwrap();
    let mut command = Command::new(path);
    // One thread gives a connection back to its pool before it looks at another connect. No proxy of this machine's.
    command.arg(uri.to_string()).env("TOKIO_WORKER_THREADS", "1").env("NO_PROXY", "*");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Two requests, the second one on the connection of the first.
async fn reuses(name: &str, uri: &Uri) {
    let output = run(name, uri).await;
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{name}: {stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    let ends: Vec<_> = lines.iter().filter_map(|line| Some(line.split_once(" ms, ")?.1)).collect();
    assert_eq!(ends, ["connection 1 new", "connection 1 reused"], "{name}: {stdout}");
    assert!(lines.iter().all(|line| line.contains("wait ") && !line.contains('…')), "complete: {stdout}");
}

async fn reuses_http_1(name: &str) {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    reuses(name, &server.uri("/stock")).await;
    let log = server.log();
    let served: Vec<_> = log.iter().filter(|connection| connection.requests > 0).collect();
    assert_eq!(served.len(), 1, "{name}");
    assert_eq!(served[0].requests, 2, "{name}");
    let host = format!("\r\nhost: {}\r\n", server.address().unwrap());
    for head in &served[0].heads {
        let head = head.to_lowercase();
        assert!(head.starts_with("get /stock http/1.1\r\n") && head.contains(&host), "{name}: {head}");
    }
}

async fn reuses_http_2(name: &str) {
    let answer = async |request: Request<hyper::body::Incoming>| {
        assert_eq!(request.uri().path(), "/stock");
        Response::new("ok".to_owned())
    };
    let server = H2Server::builder().start(answer).await.unwrap();
    reuses(name, &server.uri("/stock")).await;
    assert_eq!(server.accepted(), 1, "{name}");
}

#[tokio::test]
async fn outbound_client_reuse_of_connection() {
    reuses_http_1("outbound_client").await;
}

#[tokio::test]
async fn hyper_util_reuse_of_connection() {
    reuses_http_1("hyper_util").await;
}

#[tokio::test]
async fn hyper_http1_connection_reuse_counts_uses() {
    reuses_http_1("hyper_http1").await;
}

#[tokio::test]
async fn hyper_http2_connection_reuse_counts_uses() {
    reuses_http_2("hyper_http2").await;
}

#[tokio::test]
async fn client_pool_reuse_of_connection() {
    reuses_http_2("client_pool").await;
}

#[tokio::test]
async fn reqwest_reuse_names_connection() {
    reuses_http_1("reqwest").await;
}

#[tokio::test]
async fn tonic_reuse_names_connection() {
    let reporter = HealthReporter::new();
    reporter.set_service_status("", ServingStatus::Serving).await;
    let health = HealthServer::new(HealthService::from_health_reporter(reporter));
    let server = H2Server::builder()
        .start(move |request| {
            let health = health.clone();
            async move { health.oneshot(request).await.unwrap() }
        })
        .await
        .unwrap();
    reuses("tonic", &server.uri("")).await;
    assert_eq!(server.accepted(), 1);
}

/// The token that each request on the wire has had, in their order.
fn tokens(server: &ScriptedServer) -> Vec<String> {
    let log = server.log();
    let heads = log.iter().flat_map(|connection| &connection.heads);
    let lines = heads.flat_map(|head| head.lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter_map(|line| Some(line.strip_prefix("authorization: Bearer ")?.to_owned())).collect()
}

#[tokio::test]
async fn authentication_retry_token_kept_above_and_fresh_below_retry() {
    for refusal in [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
    ] {
        let answers = [refusal, OK, refusal, OK];
        let script = answers.into_iter().fold(Script::new(), |script, it| script.read_request().write(it));
        let server = ScriptedServer::tcp(script).await.unwrap();
        let output = run("authentication", &server.uri("/stock")).await;
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stdout.lines().count(), 2, "{stdout}");
        assert!(stdout.lines().all(|line| line.ends_with(", connection 1 reused")), "{stdout}");
        // The first two are one call with the token above the retry layer, the others one with the token below it.
        assert_eq!(tokens(&server), ["token-1", "token-1", "token-2", "token-3"]);
    }
}

#[tokio::test]
async fn programs_print_failure_kind_on_refused_connection() {
    let uri: Uri = format!("http://{}/stock", closed_port().unwrap()).parse().unwrap();
    for (name, _) in PROGRAMS {
        let output = run(name, &uri).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(stderr.starts_with("connection_refused"), "{name}: {stderr}");
        assert!(output.stdout.is_empty(), "{name}");
    }
}

#[test]
fn clients_guide_contains_each_program_verbatim() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(clients.join("../../crates/tower-outbound/src/docs/clients.md")).unwrap();
    let mut names: Vec<_> = PROGRAMS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    names.sort_unstable();
    let mut files = Vec::new();
    for file in fs::read_dir(clients.join("src/bin")).unwrap() {
        let path = file.unwrap().path();
        let program = fs::read_to_string(&path).unwrap();
        let fence = format!("```rust,ignore\n{program}```\n");
        assert!(guide.contains(&fence), "the guide is to have this:\n{fence}");
        files.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    files.sort_unstable();
    assert_eq!(files, names);
}
