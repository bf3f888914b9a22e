//! Timeouts before the response's head, on HTTP/1.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::Reuse;
use tower_outbound::timeouts::{TimeoutKind, Timeouts};

use super::*;

#[tokio::test(start_paused = true)]
async fn first_byte_timeout_on_new_connection_fails_in_wait() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    check(&error, TimeoutKind::FirstByte, SECOND);
    assert_eq!(error.source().unwrap().to_string(), "no response within 1s");
    let attempt = error.attempt().unwrap();
    assert_eq!((attempt.reuse(), attempt.status()), (Reuse::New, None));
    assert!(attempt.connection_was_silent());
    assert_eq!(recorder.outcomes(), ["response_timeout in wait"]);
    // The error keeps nothing alive.
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["silent"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn first_byte_timeout_on_reused_connection_fails_in_wait() {
    let script = Script::new().read_request().write(ANSWER).read_request().hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    succeed(&client, get(&server)).await;
    tokio::time::advance(ms(600)).await;
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND, "the timer of the first attempt does not count for the second");
    check(&error, TimeoutKind::FirstByte, SECOND);
    assert_eq!(error.attempt().unwrap().reuse(), Reuse::Reused);
    assert!(error.attempt().unwrap().connection_was_silent(), "silent since this attempt began");
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn first_byte_timeout_on_dripping_head_fails_in_head() {
    let script = Script::new()
        .read_request()
        .sleep(ms(400))
        .write("HTTP/1.1 200 ")
        .sleep(ms(400))
        .write("OK\r\nserver: slow")
        .hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    check(&error, TimeoutKind::FirstByte, SECOND);
    assert!(!error.attempt().unwrap().connection_was_silent());
    assert_eq!(recorder.outcomes(), ["response_timeout in head"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn first_byte_timeout_excludes_upload_time() {
    let script = Script::new().read_request().sleep(ms(950)).write(ANSWER).read_request().hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(Timeouts::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let slow = || post(&server, frames(5, 10, ms(700)));
    assert_eq!(succeed(&client, slow()).await, ms(3500 + 950));
    let (error, took) = fail(&client, slow()).await;
    assert_eq!(took, ms(3500 + 1000), "one second after the end of the request");
    check(&error, TimeoutKind::FirstByte, SECOND);
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn attempt_timeout_before_head_fails_in_current_phase() {
    let attempt = Timeouts::new().attempt(SECOND);
    for (script, connect, upload, outcome) in [
        (Script::new().hang(), 2 * SECOND, nothing(), "response_timeout in acquire"),
        (Script::new().read_request().hang(), ms(300), frames(9, 10, ms(200)), "response_timeout in send"),
        (Script::new().read_request().hang(), ms(300), nothing(), "response_timeout in wait"),
        (
            Script::new().read_request().write("HTTP/1.1 2").hang(),
            ms(0),
            nothing(),
            "response_timeout in head",
        ),
    ] {
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(attempt);
        let client = stack(&outbound, outbound.connector(peer.delay(connect)), false);
        let (error, took) = fail(&client, post(&server, upload)).await;
        assert_eq!((took, recorder.outcomes()), (SECOND, vec![outcome.to_owned()]));
        check(&error, TimeoutKind::Attempt, SECOND);
        drop((client, outbound, error, server));
        // The client completes the abandoned connect.
        tokio::time::sleep(2 * SECOND).await;
        nothing_left(&recorder).await;
    }
}
