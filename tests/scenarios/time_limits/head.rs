//! Before the response's head, on HTTP/1.

use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::{Reuse, TimeLimit, TimeLimits};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_on_a_new_connection_is_cut_off_in_wait() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (outbound, recorder) = with(TimeLimits::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    check(&error, TimeLimit::FirstByte, SECOND);
    assert_eq!(error.source().unwrap().to_string(), "no response within 1s");
    let exchange = error.exchange().unwrap();
    assert_eq!((exchange.reuse(), exchange.status()), (Reuse::New, None));
    assert!(exchange.connection_was_silent());
    assert_eq!(recorder.outcomes(), ["response_timeout in wait"]);
    // The error is still there, and keeps nothing.
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["silent"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_on_a_reused_connection_is_cut_off_as_well() {
    let script = Script::new().read_request().write(ANSWER).read_request().hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(TimeLimits::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    succeed(&client, get(&server)).await;
    tokio::time::advance(ms(600)).await;
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND, "what the first has armed does not count for the second");
    check(&error, TimeLimit::FirstByte, SECOND);
    assert_eq!(error.exchange().unwrap().reuse(), Reuse::Reused);
    assert!(error.exchange().unwrap().connection_was_silent(), "silent since this exchange began");
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_is_cut_off_in_head_and_its_connection_was_not_silent() {
    let script = Script::new()
        .read_request()
        .sleep(ms(400))
        .write("HTTP/1.1 200 ")
        .sleep(ms(400))
        .write("OK\r\nserver: slow")
        .hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(TimeLimits::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!(took, SECOND);
    check(&error, TimeLimit::FirstByte, SECOND);
    assert!(!error.exchange().unwrap().connection_was_silent());
    assert_eq!(recorder.outcomes(), ["response_timeout in head"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_upload_does_not_count_for_the_first_byte() {
    let script = Script::new().read_request().sleep(ms(950)).write(ANSWER).read_request().hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(TimeLimits::new().first_byte(SECOND));
    let client = stack(&outbound, outbound.connector(peer), false);
    let slow = || post(&server, frames(5, 10, ms(700)));
    assert_eq!(succeed(&client, slow()).await, ms(3500 + 950));
    let (error, took) = fail(&client, slow()).await;
    assert_eq!(took, ms(3500 + 1000), "a second after the last of the request");
    check(&error, TimeLimit::FirstByte, SECOND);
    assert_eq!(recorder.outcomes(), ["ok", "response_timeout in wait"]);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_cut_off_wherever_it_is_before_the_head() {
    let attempt = TimeLimits::new().attempt(SECOND);
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
        check(&error, TimeLimit::Attempt, SECOND);
        drop((client, outbound, error, server));
        // The client finishes a connect that nobody waits for.
        tokio::time::sleep(2 * SECOND).await;
        nothing_left(&recorder).await;
    }
}
