//! The deadline of a call, on its head, its body, its retries, and all calls of a scope.

use http::StatusCode;
use outbound_tests::server::Script;
use tower_outbound::pool::Pool;
use tower_outbound::{Deadline, Kind, Phase, RequestExt as _, SendState};

use super::*;

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";

/// The kind, the phase and the time of the failure.
fn reported(error: &Error, start: Instant) -> (Kind, Option<Phase>, Duration) {
    (error.failure().kind(), error.failure().phase(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn deadline_cuts_call_in_its_phase() {
    for (script, phase) in [
        (Script::new().read_request().hang(), Phase::Wait),
        (Script::new().read_request().sleep(ms(200)).write(HALF).hang(), Phase::Body),
    ] {
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let start = Instant::now();
        let (error, _) = fail(&client, get(&server).deadline(Deadline::after(ms(300)))).await;
        assert_eq!(reported(&error, start), (Kind::DeadlineExceeded, Some(phase), ms(300)));
        assert_eq!(recorder.outcomes(), [format!("deadline_exceeded in {phase}")]);
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
}

/// Each frame is progress, and the caller is slow.
#[tokio::test(start_paused = true)]
async fn deadline_counts_while_body_makes_progress() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let script = (0..9).fold(Script::new().read_request().write(head), |script, _| {
        script.sleep(ms(100)).write("3\r\nabc\r\n")
    });
    let (server, peer) = ScriptedServer::duplex(script.hang());
    let (outbound, recorder) = with(Timeouts::new().call(ms(550)));
    let client = stack(&outbound, outbound.connector(peer), false);
    let start = Instant::now();
    let (error, _) = fail(&client, get(&server)).await;
    assert_eq!(reported(&error, start), (Kind::DeadlineExceeded, Some(Phase::Body), ms(550)));
    assert_eq!(error.attempt().unwrap().response_body_bytes(), 15);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn deadline_passed_sends_nothing() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let (outbound, recorder) = with(Timeouts::new());
    let connector = outbound.connector(peer);
    let pool = outbound.layer().layer(Pool::builder().build(connector.clone()));
    let client = stack(&outbound, connector, false);
    let request = || get(&server).deadline(Deadline::at(Instant::now()));
    for error in [
        send(&client, request()).await.map(drop).unwrap_err(),
        pool.oneshot(request()).await.map(drop).unwrap_err(),
    ] {
        let failure = error.failure();
        assert_eq!(
            (failure.kind(), failure.send_state()),
            (Kind::DeadlineExceeded, Some(SendState::NotSent))
        );
        assert_eq!(
            error.source().unwrap().to_string(),
            "the deadline had passed before the call began: nothing was sent"
        );
    }
    assert_eq!(
        (server.accepted(), recorder.outcomes()),
        (0, vec!["deadline_exceeded in acquire".to_owned(); 2])
    );
}

/// The first connection is refused in the middle of the time, the second one hangs.
#[tokio::test(start_paused = true)]
async fn deadline_of_call_covers_its_retries() {
    let unavailable = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let script = Script::new().read_request().sleep(SECOND).write(unavailable).read_request().hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).timeouts(Timeouts::new().call(3 * SECOND));
    let outbound = outbound.retry(|retry| retry.status([StatusCode::SERVICE_UNAVAILABLE])).build();
    let client = outbound.layer().layer(Pool::builder().build(outbound.connector(peer)));
    let start = Instant::now();
    let error = client.oneshot(get(&server)).await.map(drop).unwrap_err();
    assert_eq!(reported(&error, start), (Kind::DeadlineExceeded, Some(Phase::Wait), 3 * SECOND));
    assert_eq!((error.history().len(), server.requests()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn deadline_scope_holds_for_every_call_and_only_shortens() {
    let (server, peer) =
        ScriptedServer::duplex(Script::new().read_request().sleep(ms(400)).write(ANSWER).repeat());
    let (outbound, _recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(peer), false);
    assert_eq!(Deadline::current(), None);
    let (deadline, start) = (Deadline::after(SECOND), Instant::now());
    let calls = async {
        for _ in 0..2 {
            succeed(&client, get(&server)).await;
        }
        // Neither a scope nor a request makes it longer, nor does a task that gets it.
        let handed = Deadline::current().unwrap();
        assert_eq!(handed, deadline);
        let task = async { Deadline::after(HOUR).scope(async { Deadline::current() }).await };
        assert_eq!(tokio::spawn(handed.scope(task)).await.unwrap(), Some(deadline));
        let request = get(&server).deadline(Deadline::after(HOUR));
        let error = Deadline::after(HOUR).scope(send(&client, request)).await.map(drop).unwrap_err();
        assert_eq!(reported(&error, start), (Kind::DeadlineExceeded, Some(Phase::Wait), SECOND));
        // A shorter one inside.
        assert!(Deadline::at(start).scope(async { Deadline::current().unwrap().has_passed() }).await);
        send(&client, get(&server)).await.map(drop).unwrap_err()
    };
    let error = deadline.scope(calls).await;
    assert_eq!(reported(&error, start), (Kind::DeadlineExceeded, Some(Phase::Acquire), SECOND));
    assert_eq!((Deadline::current(), deadline.remaining()), (None, Duration::ZERO));
    assert_eq!(server.requests(), 3);
}
