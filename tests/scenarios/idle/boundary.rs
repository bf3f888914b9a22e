//! Requests at the very moment in which an idle connection closes.

use outbound_tests::server::Script;

use super::*;

/// `OUTBOUND_BOUNDARY_ROUNDS` runs more.
fn rounds() -> usize {
    std::env::var("OUTBOUND_BOUNDARY_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(100)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_close_at_moment_of_request_fails_none() {
    const CALLERS: usize = 8;
    let idle = ms(3);
    let server = ScriptedServer::tcp(Script::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
        .await
        .unwrap();
    let (outbound, recorder) = recorded(|builder| builder.idle_timeout(idle));
    let client = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    let server = std::sync::Arc::new(server);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (client, server) = (client.clone(), server.clone());
            tokio::spawn(async move {
                for round in 0..rounds() {
                    let sent = tokio::time::timeout(10 * SECOND, post(&client, &server, 5)).await;
                    sent.expect("the call ends").unwrap_or_else(|error| {
                        let attempt = error.attempt().unwrap();
                        panic!("{error:?}: {:?} {:?}", attempt.connection(), attempt.timings());
                    });
                    // The timers of tokio have a resolution of 1 ms, so the last part is spun.
                    tokio::time::sleep(idle - ms(1)).await;
                    let until = tokio::time::Instant::now()
                        + Duration::from_micros((round * 7 + caller * 131) as u64 % 2500);
                    while tokio::time::Instant::now() < until {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let requests = server.requests();
    drop(client);
    recorder.settled().await;
    let reasons = recorder.close_reasons();
    let idle = reasons.iter().filter(|reason| **reason == "idle_timeout").count();
    let retried = recorder.outcomes().iter().filter(|outcome| *outcome != "ok").count();
    println!("{requests} requests, {} connections, {idle} closed idle, {retried} unsent", reasons.len());
    assert_eq!(requests, CALLERS * rounds(), "each arrives once");
    assert!(idle > 0, "{reasons:?}");
}
