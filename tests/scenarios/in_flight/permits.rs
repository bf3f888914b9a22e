//! A slot is held from before the client is called until the response's body ends, in whatever way.

use outbound_tests::gate::Gate;
use outbound_tests::server::Script;

use super::*;

/// A response whose body has two parts. The second waits for the gate.
fn in_two_parts(gate: &Gate) -> Script {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc";
    Script::new().read_request().write(head).wait(gate).write("def").repeat()
}

#[tokio::test(start_paused = true)]
async fn permit_held_until_response_body_ends() {
    let gate = Gate::new();
    let (server, peer) = ScriptedServer::duplex(in_two_parts(&gate));
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1));
    let client = stack(&outbound, outbound.connector(peer));
    let mut body = client.clone().oneshot(get(&server, "a")).await.unwrap().into_body();
    let second = tokio::spawn(whole(client.clone(), get(&server, "a")));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    settle().await;
    assert_eq!((slots(&recorder), server.requests()), ((1, 1, 1), 1));

    gate.open();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "def");
    // The slot is released when `is_end_stream` is true, without another poll.
    second.await.unwrap().unwrap();
    assert_eq!((slots(&recorder), server.requests()), ((0, 1, 0), 2));
    assert_eq!(server.accepted(), 1, "on the same connection");
    drop(body);
    drop((client, outbound));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn permit_returned_on_body_drop_error_or_no_body() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    for (script, reads, outcome) in [
        (Script::new().read_request().write(head).hang(), 0, "cancelled in body"),
        (Script::new().read_request().write(head).hang(), 1, "cancelled in body"),
        (Script::new().read_request().write(head).close(), 2, "response_ended in body"),
        (Script::new().read_request().write(empty).hang(), 0, "ok"),
    ] {
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(|builder| builder.max_in_flight(1));
        let client = stack(&outbound, outbound.connector(peer));
        let response = client.clone().oneshot(get(&server, "a")).await.unwrap();
        assert_eq!(slots(&recorder).0, i64::from(outcome != "ok"));
        let mut body = response.into_body();
        for _ in 0..reads {
            let _ = body.frame().await;
        }
        if outcome.starts_with("response_ended") {
            assert_eq!(slots(&recorder), (0, 1, 0), "released at the error");
        }
        drop(body);
        assert_eq!((recorder.outcomes(), slots(&recorder)), (vec![outcome.to_owned()], (0, 1, 0)));
        drop((client, outbound));
        recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn permit_returned_when_request_fails() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().reset());
    let (outbound, recorder) = with(|builder| builder.max_in_flight(1));
    let client = stack(&outbound, outbound.connector(peer));
    for _ in 0..3 {
        whole(client.clone(), get(&server, "a")).await.unwrap_err();
    }
    assert_eq!(recorder.outcomes(), ["connection_reset in wait"; 3]);
    assert_eq!(slots(&recorder), (0, 1, 0));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn permit_returned_when_dropped_at_any_poll() {
    for waits in [false, true] {
        for polls in 0.. {
            let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
            let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1));
            let client = stack(&outbound, outbound.connector(peer.delay(ms(5))));
            let first = tokio::spawn({
                let (client, request) = (client.clone(), get(&server, "a"));
                async move {
                    if waits {
                        whole(client, request).await.unwrap();
                    }
                }
            });
            settle().await;
            let mut second = Box::pin(whole(client.clone(), get(&server, "a")));
            let mut over = false;
            for _ in 0..polls {
                over = poll_once(&mut second).is_ready();
                if over {
                    break;
                }
                tokio::time::sleep(ms(1)).await;
            }
            drop(second);
            let third = whole(client.clone(), get(&server, "a"));
            tokio::time::timeout(100 * SECOND, third).await.expect("a slot was not released").unwrap();
            first.await.unwrap();
            assert_eq!(slots(&recorder), (0, 1, 0), "dropped after {polls} polls");
            drop((client, outbound));
            recorder.settled().await;
            if over {
                assert!(polls > 5, "{polls}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn permit_granted_but_unpolled_passes_to_next() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1));
    let service = slow(&outbound, Duration::ZERO);
    let first = service.clone().oneshot(to("a")).await.unwrap();
    let mut second = Box::pin(service.clone().oneshot(to("a")));
    let mut third = Box::pin(service.clone().oneshot(to("a")));
    assert!(poll_once(&mut second).is_pending() && poll_once(&mut third).is_pending());
    assert_eq!(slots(&recorder), (1, 1, 2));
    drop(first);
    // The second request was granted the slot and not polled.
    drop(second);
    assert_eq!(slots(&recorder), (0, 1, 1));
    third.await.unwrap();
    assert_eq!(recorder.outcomes(), ["cancelled in body", "cancelled in queue", "cancelled in body"]);
    recorder.settled().await;
}

#[tokio::test]
async fn permit_returned_when_client_panics_in_call_or_future() {
    for (in_call, waits) in [(true, false), (false, false), (true, true), (false, true)] {
        let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1));
        let service = outbound.attempt_layer().layer(tower::service_fn(move |request: Request<_>| {
            let panics = request.uri().path() == "/panic";
            assert!(!(panics && in_call), "a panic on purpose");
            async move {
                tokio::task::yield_now().await;
                assert!(!panics, "a panic on purpose");
                Ok::<_, BoxError>(Response::new(Body::from("ok")))
            }
        }));
        let held = if waits { Some(service.clone().oneshot(to("a")).await.unwrap()) } else { None };
        let request = secret::request(&"http://a.test/panic".parse().unwrap(), Body::default());
        let panics = tokio::spawn(whole(service.clone(), request));
        settle().await;
        drop(held);
        assert!(panics.await.unwrap_err().is_panic());
        assert_eq!(slots(&recorder), (0, 1, 0));
        whole(service, to("a")).await.unwrap();
        recorder.settled().await;
    }
}
