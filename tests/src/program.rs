//! Runs an example program and checks what it prints.

use std::process::{Command, Output};

use http::{Request, Response, Uri};
use hyper::body::Incoming;

use crate::server::{H2Server, Script, ScriptedServer, closed_port};

/// A response of HTTP/1 that keeps its connection open.
pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Runs the program at `path` with one argument.
///
/// # Panics
/// If the program cannot be started.
pub async fn run(path: &'static str, uri: &Uri) -> Output {
    let mut command = Command::new(path);
    // With one thread a connection is back in its pool before the next request looks for one. Ignores this machine's
    // proxy.
    command.arg(uri.to_string()).env("TOKIO_WORKER_THREADS", "1").env("NO_PROXY", "*");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Checks that the program sends two requests, and that the second one reuses the connection of the first.
///
/// # Panics
/// If the program fails or prints something else.
pub async fn assert_reuse(path: &'static str, uri: &Uri) {
    let output = run(path, uri).await;
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{path}: {stdout}");
    let lines: Vec<_> = stdout.lines().collect();
    let ends: Vec<_> = lines.iter().filter_map(|line| Some(line.split_once(" ms, ")?.1)).collect();
    assert_eq!(ends, ["connection 1 new", "connection 1 reused"], "{path}: {stdout}");
    assert!(lines.iter().all(|line| line.contains("wait ") && !line.contains('…')), "complete: {stdout}");
}

/// [`assert_reuse`] against a server of HTTP/1, which must have served both requests on one connection. Returns the
/// heads of the requests, in lower case.
///
/// # Panics
/// If the program or the server disagrees.
pub async fn assert_reuse_http1(path: &'static str) -> Vec<String> {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    assert_reuse(path, &server.uri("/stock")).await;
    let log = server.log();
    let served: Vec<_> = log.iter().filter(|connection| connection.requests > 0).collect();
    assert_eq!(served.len(), 1, "{path}");
    assert_eq!(served[0].requests, 2, "{path}");
    let host = format!("\r\nhost: {}\r\n", server.address().unwrap());
    let heads: Vec<_> = served[0].heads.iter().map(|head| head.to_lowercase()).collect();
    for head in &heads {
        assert!(head.contains(" /stock http/1.1\r\n") && head.contains(&host), "{path}: {head}");
    }
    heads
}

/// [`assert_reuse`] against a server of HTTP/2, which must have served both requests on one connection.
///
/// # Panics
/// If the program or the server disagrees.
pub async fn assert_reuse_http2(path: &'static str) {
    let answer = async |request: Request<Incoming>| {
        assert_eq!(request.uri().path(), "/stock");
        Response::new("ok".to_owned())
    };
    let server = H2Server::builder().start(answer).await.unwrap();
    assert_reuse(path, &server.uri("/stock")).await;
    assert_eq!(server.accepted(), 1, "{path}");
}

/// Checks that the program ends with exit code 1 and names the failure if nothing listens at its URI. Returns
/// its stderr.
///
/// # Panics
/// If the program exits otherwise.
pub async fn assert_refused(path: &'static str) -> String {
    let uri: Uri = format!("http://{}/stock", closed_port().unwrap()).parse().unwrap();
    let output = run(path, &uri).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{path}: {stderr}");
    assert!(stderr.starts_with("connection_refused"), "{path}: {stderr}");
    assert!(output.stdout.is_empty(), "{path}");
    stderr
}
