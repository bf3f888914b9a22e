//! Runs the programs of the guide, and checks that the guide has each of them.

use std::path::Path;
use std::{env, fs};

use outbound_tests::program::{OK, assert_refused, assert_reuse_http1, assert_reuse_http2, run};
use outbound_tests::server::{Script, ScriptedServer, closed_port};

const PROGRAMS: [(&str, &str); 6] = [
    ("outbound_client", env!("CARGO_BIN_EXE_outbound_client")),
    ("hyper_http1", env!("CARGO_BIN_EXE_hyper_http1")),
    ("hyper_http2", env!("CARGO_BIN_EXE_hyper_http2")),
    ("client_pool", env!("CARGO_BIN_EXE_client_pool")),
    ("authentication", env!("CARGO_BIN_EXE_authentication")),
    ("operation", env!("CARGO_BIN_EXE_operation")),
];

/// The programs of the guides that are packages of their own.
const PACKAGES: [&str; 3] = ["hyper_util", "reqwest", "tonic"];

fn program(name: &str) -> &'static str {
    PROGRAMS.iter().find(|(program, _)| *program == name).unwrap().1
}

async fn reuses_http1(name: &str) {
    let heads = assert_reuse_http1(program(name)).await;
    assert!(heads.iter().all(|head| head.starts_with("get ")), "{heads:?}");
}

#[tokio::test]
async fn outbound_client_reuse_of_connection() {
    reuses_http1("outbound_client").await;
}

#[tokio::test]
async fn hyper_http1_connection_reuse_counts_uses() {
    reuses_http1("hyper_http1").await;
}

#[tokio::test]
async fn hyper_http2_connection_reuse_counts_uses() {
    assert_reuse_http2(program("hyper_http2")).await;
}

#[tokio::test]
async fn client_pool_reuse_of_connection() {
    assert_reuse_http2(program("client_pool")).await;
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
        let output = run(program("authentication"), &server.uri("/stock")).await;
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stdout.lines().count(), 2, "{stdout}");
        assert!(stdout.lines().all(|line| line.ends_with(", connection 1 reused")), "{stdout}");
        // The first two are one call with the token above the retry layer, the others one with the token below it.
        assert_eq!(tokens(&server), ["token-1", "token-1", "token-2", "token-3"]);
    }
}

/// The second service does not answer.
#[tokio::test]
async fn operation_report_names_call_that_hit_limit() {
    let users = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let orders = ScriptedServer::tcp(Script::new().read_request().hang()).await.unwrap();
    let mut command = std::process::Command::new(program("operation"));
    command.args([users.uri("/7").to_string(), orders.uri("/7").to_string()]).env("NO_PROXY", "*");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(stdout.starts_with("checkout: timed_out in cart after 2.0"), "{stdout}");
    let outcomes: Vec<_> =
        stdout.lines().skip(2).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(outcomes, ["ok", "timed_out", "not_reached"], "{stdout}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "deadline_exceeded: the deadline passed in step cart\n");
    assert_eq!((users.requests(), orders.requests()), (1, 1));
}

#[tokio::test]
async fn programs_print_failure_kind_on_refused_connection() {
    for (_, path) in PROGRAMS.iter().filter(|(name, _)| *name != "operation") {
        assert_refused(path).await;
    }
    let refused = format!("http://{}/", closed_port().unwrap()).parse().unwrap();
    let output = run(program("operation"), &refused).await;
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("connection_refused: "));
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("checkout: failed after "));
}

#[test]
fn guides_contain_each_program_verbatim() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guides: String = fs::read_dir(clients.join("../../crates/tower-outbound/src/docs"))
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let own = fs::read_dir(clients.join("src/bin")).unwrap().map(|file| file.unwrap().path());
    let packages = PACKAGES.map(|package| clients.join(format!("../{package}/src/main.rs")));
    let mut count = 0;
    for path in own.chain(packages) {
        let program = fs::read_to_string(&path).unwrap();
        let fence = format!("```rust,ignore\n{program}```\n");
        assert!(guides.contains(&fence), "a guide must contain {}:\n{fence}", path.display());
        count += 1;
    }
    assert_eq!(count, PROGRAMS.len() + PACKAGES.len());
}
