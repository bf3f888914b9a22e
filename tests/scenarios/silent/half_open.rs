//! Peers on real sockets that stop sending, or stop reading too.

use tower_outbound::SendState;

use super::*;

/// The first-byte timeout under the real clock.
const SHORT: Duration = Duration::from_millis(50);

/// Responds to one request after reading 100 bytes: the preface, SETTINGS, WINDOW_UPDATE and part of the request.
fn responds_to_one() -> Script {
    Script::new().write(settings()).read_exact(100).write(ok(1, true))
}

fn short(recorder: &Recorder) -> Outbound {
    builder(recorder).timeouts(Timeouts::new().first_byte(SHORT)).build()
}

#[tokio::test]
async fn silent_retire_stalled_peer_costs_two_attempts() {
    let server =
        ScriptedServer::tcp([responds_to_one().hang(), responds_to_one().read_to_end()]).await.unwrap();
    let recorder = Recorder::new();
    let outbound = short(&recorder);
    let client = http2(&outbound, outbound.connector(outbound.http_connector()));
    get(&client, patient(&server)).await.unwrap();
    time_out(&client, request(&server)).await;
    time_out(&client, request(&server)).await;
    get(&client, patient(&server)).await.unwrap();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!((server.accepted(), recorder.count("ConnectionRetired")), (2, 1));
    drop((client, server));
    recorder.settled().await;
    assert_eq!(recorder.close_reasons().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_retire_request_right_after_timeouts_not_lost() {
    // In a spawned task, tokio runs the task that was woken last first: the sending task, not the reading task.
    tokio::spawn(request_right_after_timeouts()).await.unwrap();
}

async fn request_right_after_timeouts() {
    for _ in 0..20 {
        let server = ScriptedServer::tcp(responds_to_one().read_to_end()).await.unwrap();
        let recorder = Recorder::new();
        let outbound = short(&recorder);
        let client = http2(&outbound, outbound.connector(outbound.http_connector()));
        get(&client, patient(&server)).await.unwrap();
        time_out(&client, request(&server)).await;
        time_out(&client, request(&server)).await;
        if let Err(error) = get(&client, patient(&server)).await {
            // The request was queued for the retired connection and refused before its first byte.
            assert_eq!(error.failure().kind(), Kind::GoAway, "{error:?}");
            let state = error.failure().send_state().unwrap();
            assert!(matches!(state, SendState::NotSent | SendState::NotProcessed), "{state}");
            get(&client, patient(&server)).await.unwrap();
        }
        recorder.wait_until(|recorder| recorder.close_reasons() == ["silent"]).await;
        server.wait_until(|log| log[0].ended.is_some()).await;
        assert_eq!((opened(&server, 0), opened(&server, 1)), (vec![1, 3, 5], vec![1]));
        assert_eq!(recorder.count("ConnectionRetired"), 1);
        drop((client, server));
        recorder.settled().await;
    }
}
