//! Concurrent requests while the peer closes at random: recorded uses and reuse equal the peer's log.

use std::collections::HashMap;

use http_body_util::BodyExt as _;
use outbound_tests::secret;
use outbound_tests::server::{Closing, LoadServer};
use tower::ServiceExt as _;
use tower_outbound::{Class, Reuse, Timings};

use crate::support::{Body, recorded, tcp};

const REQUESTS: usize = 20_000;
const WORKERS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_uses_and_reuse_agree_with_peer_log() {
    let server = LoadServer::builder()
        .uses(1..=50)
        .closings([Closing::Announced, Closing::Silent])
        .start()
        .await
        .unwrap();
    let (outbound, recorder) = recorded();
    let client = tcp(&outbound);
    let uri = server.uri("/");

    let workers = (0..WORKERS).map(|_| {
        let (client, uri) = (client.clone(), uri.clone());
        tokio::spawn(async move {
            let (mut seen, mut failed) = (Vec::new(), Vec::new());
            while seen.len() < REQUESTS / WORKERS {
                let response = match client.clone().oneshot(secret::request(&uri, Body::default())).await {
                    Ok(response) => response,
                    // A FIN crossed the request. This stack has no retry layer.
                    Err(error) => {
                        assert_eq!(error.failure().class(), Some(Class::ConnectionReset), "{error:?}");
                        failed.push(error.attempt().unwrap().timings());
                        continue;
                    }
                };
                let timings = response.extensions().get::<Timings>().unwrap().clone();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                seen.push((String::from_utf8(body.to_vec()).unwrap(), timings));
            }
            (seen, failed)
        })
    });
    let (mut seen, mut failed) = (Vec::new(), Vec::new());
    for worker in workers.collect::<Vec<_>>() {
        let (worker_seen, worker_failed) = worker.await.unwrap();
        seen.extend(worker_seen);
        failed.extend(worker_failed);
    }
    assert_eq!(seen.len(), REQUESTS);

    for (body, timings) in &seen {
        let connection = timings.connection().expect("the attempt's connection");
        let usage = timings.usage().expect("the attempt's use of the connection");
        let port = connection.local_addr().unwrap().port();
        assert_eq!(*body, format!(r#"{{"peer_port":{port},"use_number":{}}}"#, usage.number()));
        assert_eq!(timings.reuse(), if usage.number() == 1 { Reuse::New } else { Reuse::Reused });
        assert!(timings.is_complete());
    }
    let mut served: HashMap<u64, u64> = HashMap::new();
    let all = seen.iter().map(|(_, timings)| timings).chain(&failed);
    for connection in all.filter_map(Timings::connection) {
        *served.entry(connection.id()).or_default() += 1;
    }
    for (_, timings) in &seen {
        let connection = timings.connection().unwrap();
        assert_eq!(connection.uses(), served[&connection.id()]);
    }

    drop(client);
    recorder.settled().await;
    let wasted = recorder.count("ConnectWasted");
    println!("{} connections, {wasted} wasted connects, {} failed requests", server.accepted(), failed.len());
    assert!(wasted > 0, "no connect was wasted");
    assert_eq!(recorder.count("connected"), server.accepted() as i64);
    assert_eq!(recorder.count("ConnectionOpened"), server.accepted() as i64);
}
