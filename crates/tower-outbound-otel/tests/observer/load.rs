//! Under load, the metrics add up to the counts of the peer.

use http_body_util::BodyExt;
use outbound_tests::server::{Closing, LoadServer};

use crate::support::*;

const WORKERS: usize = 16;
const REQUESTS: usize = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_under_load_match_server_counts_and_gauges_end_at_0() {
    let rig = Rig::new();
    let server = LoadServer::builder().uses(1..=20).closings([Closing::Announced]).start().await.unwrap();
    let outbound = rig.outbound();
    let client = outbound.client();

    let workers = (0..WORKERS).map(|_| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            for _ in 0..REQUESTS / WORKERS {
                client.get(uri.clone()).await.unwrap().into_body().collect().await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    drop(client);
    closed(&outbound).await;

    let sum = |metric: &str| rig.values(metric).iter().map(|(_, value)| value).sum::<f64>();
    let (requests, accepted) = (server.served().len() as f64, server.accepted() as f64);
    assert!(requests as usize == REQUESTS / WORKERS * WORKERS && accepted > 0.0);
    for metric in ["http.client.request.duration", "outbound.requests", "outbound.connection.requests"] {
        let count = sum(metric);
        let expected = if metric == "outbound.connection.requests" { accepted } else { requests };
        assert_eq!(count, expected, "{metric}");
    }
    for metric in [
        "outbound.connection.opened",
        "outbound.connection.closed",
        "outbound.connect.duration",
        "http.client.connection.duration",
    ] {
        assert_eq!(sum(metric), accepted, "{metric}");
    }
    for metric in ["http.client.active_requests", "http.client.open_connections"] {
        assert!(rig.values(metric).iter().all(|(_, value)| *value == 0.0), "{:?}", rig.values(metric));
    }
    let uses: f64 = rig.series("outbound.connection.requests").iter().map(|series| series.sum).sum();
    assert_eq!(uses, requests, "uses of all connections");
    let new = rig.values("outbound.requests").into_iter();
    let new = new.filter(|(labels, _)| labels["outbound.connection.reuse"] == "new");
    let wasted_and_unused = accepted - new.map(|(_, value)| value).sum::<f64>();
    assert!((0.0..=sum("outbound.connect.wasted")).contains(&wasted_and_unused), "{wasted_and_unused}");
}
