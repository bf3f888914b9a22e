//! The errors of the limits: when they occur, and their messages.

use std::error::Error as _;

use outbound_tests::server::Script;
use tokio::time::Instant;
use tower_outbound::limit::{PoolTimeoutError, QueueFullError};
use tower_outbound::{Class, Failure, Kind, Phase, SendState};

use super::*;

#[tokio::test(start_paused = true)]
async fn acquire_timeout_with_permits_taken_opens_no_connection() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(2).acquire_timeout(SECOND));
    let client = stack(&outbound, outbound.connector(peer));
    let held: Vec<_> = (0..2).map(|_| tokio::spawn(whole(client.clone(), get(&server, "a")))).collect();
    settle().await;
    let waiting = tokio::spawn(whole(client.clone(), get(&server, "a")));
    tokio::time::advance(ms(400)).await;
    let begun = Instant::now();
    let error = whole(client.clone(), get(&server, "a")).await.unwrap_err();

    // The other waiter has failed 400 ms earlier.
    assert_eq!(begun.elapsed(), SECOND);
    assert_eq!(
        (server.accepted(), outbound.connections().len(), recorder.count("ConnectStarted")),
        (2, 2, 2)
    );
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::PoolTimeout, Some(Phase::Queue)));
    assert_eq!((failure.class(), failure.send_state()), (Some(Class::Timeout), Some(SendState::NotSent)));
    assert!(error.connection().is_none() && !failure.is_connect());
    assert_eq!(error.to_string(), "GET http://a:80 failed: pool_timeout in phase queue");
    let source = error.source().unwrap();
    assert_eq!(
        source.to_string(),
        "no slot for http://a:80 within 1.000s: 2 of 2 requests to it are in flight and 0 are waiting; \
         raise `max_in_flight_per_origin` or `acquire_timeout`"
    );
    let timeout = source.downcast_ref::<PoolTimeoutError>().unwrap();
    assert_eq!((timeout.origin().host(), timeout.waited()), ("a", SECOND));
    assert_eq!((timeout.held(), timeout.limit(), timeout.waiting()), (2, 2, 0));
    assert_eq!(timeout.key(), "max_in_flight_per_origin");

    assert_eq!(waiting.await.unwrap().unwrap_err().failure().kind(), Kind::PoolTimeout);
    assert_eq!(slots(&recorder), (2, 2, 0));
    held.iter().for_each(tokio::task::JoinHandle::abort);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn acquire_timeout_error_names_total_if_total_is_full() {
    let (outbound, _recorder) =
        with(|builder| builder.max_in_flight_per_origin(5).max_in_flight(3).acquire_timeout(ms(20)));
    let service = slow(&outbound, SECOND);
    for host in ["a", "a", "b"] {
        tokio::spawn(whole(service.clone(), to(host)));
    }
    settle().await;
    tokio::time::advance(ms(1)).await;
    let calls = ["a", "c"].map(|host| tokio::spawn(whole(service.clone(), to(host))));
    tokio::time::advance(ms(1)).await;
    settle().await;
    tokio::time::advance(ms(1)).await;
    let error = whole(service.clone(), to("b")).await.unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        "no slot for http://b.test:80 within 20.000ms: 3 of 3 requests to all origins are in flight and 0 are \
         waiting; raise `max_in_flight` or `acquire_timeout`"
    );
    let [a, c] = calls;
    let first = a.await.unwrap().unwrap_err().into_source().unwrap().downcast::<PoolTimeoutError>().unwrap();
    assert_eq!((first.held(), first.waiting(), first.key()), (3, 2, "max_in_flight"));
    c.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn queue_full_fails_at_once_per_origin() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1).max_queued(2));
    let service = slow(&outbound, SECOND);
    let calls: Vec<_> = (0..3).map(|_| tokio::spawn(whole(service.clone(), to("a")))).collect();
    settle().await;
    assert_eq!(slots(&recorder), (1, 1, 2));
    let begun = Instant::now();
    let error = whole(service.clone(), to("a")).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.class()), (Kind::QueueFull, None));
    assert_eq!((failure.phase(), failure.send_state()), (Some(Phase::Queue), Some(SendState::NotSent)));
    let source = error.source().unwrap();
    assert_eq!(
        source.to_string(),
        "the queue for http://a.test:80 is full: 1 of 1 requests to it are in flight and 2 are waiting; raise \
         `max_in_flight_per_origin` or `max_queued`"
    );
    let full = source.downcast_ref::<QueueFullError>().unwrap();
    assert_eq!((full.held(), full.limit(), full.waiting(), full.origin().port()), (1, 1, 2, 80));
    assert_eq!(full.key(), "max_in_flight_per_origin");
    assert_eq!(recorder.outcomes(), ["queue_full in queue"]);

    whole(service.clone(), to("b")).await.unwrap();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn acquire_timeout_defaults_to_30_s_and_zero_is_off() {
    let hour = 3600 * SECOND;
    for (limit, outcome, waits) in
        [(Some(Duration::ZERO), "ok", hour), (None, "pool_timeout in queue", 30 * SECOND)]
    {
        let (outbound, recorder) = with(|builder| {
            let builder = builder.max_in_flight_per_origin(1);
            match limit {
                Some(limit) => builder.acquire_timeout(limit),
                None => builder,
            }
        });
        let first = tokio::spawn(whole(slow(&outbound, hour), to("a")));
        settle().await;
        let begun = Instant::now();
        let _ = whole(slow(&outbound, Duration::ZERO), to("a")).await;
        assert_eq!(begun.elapsed(), waits);
        first.await.unwrap().unwrap();
        assert!(recorder.outcomes().contains(&outcome.to_owned()), "{:?}", recorder.outcomes());
        recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_flight_layer_alone_returns_own_errors_origin_of_uri() {
    let (outbound, recorder) = with(|builder| builder);
    let layer = outbound.in_flight_limit_layer().max_in_flight_per_origin(1).max_queued(0);
    let service = layer.layer(tower::service_fn(|_: Request<Body>| async {
        tokio::time::sleep(SECOND).await;
        Ok::<_, BoxError>(Response::new(Body::from("ok")))
    }));
    let first = tokio::spawn(service.clone().oneshot(to("a")));
    settle().await;
    let error = service.clone().oneshot(to("a")).await.unwrap_err();
    assert!(error.downcast_ref::<QueueFullError>().is_some());
    assert_eq!(Failure::of(&*error).kind(), Kind::QueueFull);
    assert_eq!(Failure::of(&*error).send_state(), Some(SendState::NotSent));
    drop(service.oneshot(to("b")).await.unwrap());
    drop(first.await.unwrap().unwrap());
    assert_eq!(slots(&recorder), (0, 2, 0));
}
