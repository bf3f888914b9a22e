//! Runs the program.

use outbound_tests::program::{assert_refused, assert_reuse_http1};

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-reqwest");

#[tokio::test]
async fn reqwest_second_request_reuses_connection() {
    let heads = assert_reuse_http1(PROGRAM).await;
    assert!(heads.iter().all(|head| head.starts_with("get ")), "{heads:?}");
}

#[tokio::test]
async fn reqwest_refused_connection_prints_kind() {
    assert_refused(PROGRAM).await;
}
