//! Runs the program.

use outbound_tests::program::{assert_refused, assert_reuse};
use outbound_tests::server::H2Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::ServiceExt;

const PROGRAM: &str = env!("CARGO_BIN_EXE_example-tonic");

#[tokio::test]
async fn tonic_second_call_reuses_connection() {
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
    assert_reuse(PROGRAM, &server.uri("")).await;
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn tonic_refused_connection_prints_kind() {
    assert_refused(PROGRAM).await;
}
