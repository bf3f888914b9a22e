//! A caller that sends one request after the other, on several threads.

use outbound_tests::server::LoadServer;

use super::*;

/// Requests that follow each other. `OUTBOUND_SEQUENTIAL` sets another number.
fn requests() -> usize {
    std::env::var("OUTBOUND_SEQUENTIAL").ok().and_then(|number| number.parse().ok()).unwrap_or(2_000)
}

/// The task of the connection may still run on another thread when the caller has the whole response.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sequential_requests_use_one_connection() {
    for spawned in [false, true] {
        let server = LoadServer::builder().closings([]).start().await.unwrap();
        let (pool, recorder) = tcp(|pool| pool);
        let uri = server.uri("/");
        let calls = async move {
            for _ in 0..requests() {
                read!(pool, request(uri.clone())).await.unwrap();
            }
        };
        match spawned {
            true => tokio::spawn(calls).await.unwrap(),
            false => calls.await,
        }
        println!(
            "spawned {spawned}: {} connections, {} connects",
            server.accepted(),
            recorder.count("ConnectStarted")
        );
        assert_eq!((server.accepted(), recorder.count("ConnectStarted")), (1, 1), "spawned: {spawned}");
    }
}
