//! Runs the program.

use outbound_tests::program::{assert_refused, assert_reuse_http1, run};
use outbound_tests::server::{Script, ScriptedServer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-connect-only");

#[tokio::test]
async fn connect_only_second_upload_reuses_connection() {
    let heads = assert_reuse_http1(PROGRAM).await;
    assert!(heads.iter().all(|head| head.starts_with("post ")), "{heads:?}");
    assert!(heads.iter().all(|head| head.contains("\r\ncontent-length: 1048576\r\n")), "{heads:?}");
}

#[tokio::test]
async fn connect_only_refused_connection_retried_once() {
    let stderr = assert_refused(PROGRAM).await;
    assert_eq!(stderr, "connection_refused after 2 attempts: connection_refused in phase tcp\n");
}

#[tokio::test]
async fn connect_only_sent_request_not_retried() {
    // Closes each connection after the request, without a response.
    let server = ScriptedServer::tcp(Script::new().read_request().shutdown()).await.unwrap();
    let output = run(PROGRAM, &server.uri("/stock")).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr, "connection_reset after 1 attempts: response_ended in phase wait\n");
    let requests: usize = server.log().iter().map(|connection| connection.requests).sum();
    assert_eq!(requests, 1);
}
