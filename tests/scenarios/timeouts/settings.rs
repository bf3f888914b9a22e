//! Timeouts set for all attempts and per request.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::timeouts::Timeouts;

use super::*;

#[tokio::test(start_paused = true)]
async fn timeouts_are_off_at_zero() {
    let zero = Timeouts::new()
        .attempt(Duration::ZERO)
        .first_byte(Duration::ZERO)
        .write_idle(Duration::ZERO)
        .body_idle(Duration::ZERO);
    let slow = Script::new()
        .sleep(HOUR)
        .read_request()
        .sleep(HOUR)
        .write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        .sleep(HOUR)
        .write("ok")
        .hang();
    let (server, peer) = ScriptedServer::duplex(slow);
    let (outbound, recorder) = with(zero);
    let client = stack(&outbound, outbound.connector(peer), false);
    let upload = frames(1, 300_000, Duration::ZERO);
    assert_eq!(succeed(&client, post(&server, upload)).await, 3 * HOUR);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn timeouts_of_request_override_only_those_set() {
    let script = Script::new().read_request().sleep(5 * SECOND).write(ANSWER).repeat();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND).attempt(3 * SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let own = |timeouts: Timeouts| {
        let mut request = get(&server);
        request.extensions_mut().insert(timeouts);
        request
    };
    let off = Timeouts::new().first_byte(Duration::ZERO).attempt(Duration::ZERO);
    assert_eq!(succeed(&client, own(off)).await, 5 * SECOND);
    let (error, took) = fail(&client, own(Timeouts::new().first_byte(2 * SECOND))).await;
    check(&error, TimeoutKind::FirstByte, 2 * SECOND);
    assert_eq!(took, 2 * SECOND);
    let (error, took) = fail(&client, own(Timeouts::new().first_byte(HOUR))).await;
    check(&error, TimeoutKind::Attempt, 3 * SECOND);
    assert_eq!(took, 3 * SECOND);
    let (error, took) = fail(&client, own(Timeouts::new().attempt(ms(10)))).await;
    check(&error, TimeoutKind::Attempt, ms(10));
    assert_eq!(took, ms(10));
    let (error, _) = fail(&client, get(&server)).await;
    check(&error, TimeoutKind::FirstByte, SECOND);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn timeout_not_reached_drop_is_cancelled() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (outbound, recorder) = with(Timeouts::new().attempt(HOUR).first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let given_up = tokio::time::timeout(ms(999), client.clone().oneshot(get(&server))).await;
    assert!(given_up.is_err());
    assert_eq!(recorder.outcomes(), ["cancelled in wait"]);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn timeouts_leave_no_task_after_stack_is_dropped() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let timeouts = Timeouts::new().attempt(HOUR).first_byte(2 * HOUR).body_idle(3 * HOUR);
    let outbound = Outbound::builder().timeouts(timeouts).build();
    let client = stack(&outbound, outbound.connector(peer), false);
    let start = Instant::now();
    succeed(&client, get(&server)).await;
    drop((client, outbound, server));
    no_task_left().await;
    assert!(start.elapsed() < SECOND);
}
