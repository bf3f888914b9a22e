//! Release before backoff: everything is released before the delay starts.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tower_outbound::Timings;

use super::counted_client::{CountedClient, LiveCount};
use super::*;

#[tokio::test(start_paused = true)]
async fn release_before_backoff_cancel_in_backoff_leaves_nothing() {
    let fixture = Fixture::new();
    let (server, connector) = ScriptedServer::duplex(Script::answering(BUSY));
    let layer = fixture
        .layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_secs(9), Duration::from_secs(9))
        .seed(1);
    let client = fixture.stack(fixture.outbound.connector(connector), &layer);
    let mut call = Box::pin(send(&client, get(server.uri("/"))));
    tokio::select! {
        _ = &mut call => panic!("the call is in its backoff"),
        () = fixture.recorder.wait_until(|recorder| recorder.count("BackoffStarted") == 1) => {}
    }
    // The connection is idle, and can serve another request.
    assert_eq!(fixture.recorder.gauges(), (0, 1));
    drop(call);
    assert_eq!(
        fixture.events(),
        [
            "call",
            "attempt 0",
            "retry status",
            "released drained",
            "backoff",
            "backoff ended",
            "call cancelled in backoff"
        ]
    );
    assert_eq!(fixture.recorder.outcomes(), ["ok"]);
    drop(client);
    fixture.recorder.settled().await;
}

/// At each start and end of a backoff: the client's live futures and bodies, then the recorder's gauges.
type Snapshots = Arc<Mutex<Vec<(i64, (i64, i64))>>>;

fn snapshots(
    recorder: &Recorder,
    alive: &LiveCount,
) -> (Snapshots, impl Fn(&Event<'_>) + Send + Sync + 'static) {
    let (snapshots, recorder, alive) = (Snapshots::default(), recorder.clone(), alive.clone());
    let stored = snapshots.clone();
    let observer = move |event: &Event<'_>| {
        if matches!(event, Event::BackoffStarted { .. } | Event::BackoffEnded { .. }) {
            stored.lock().unwrap().push((alive.count(), recorder.gauges()));
        }
    };
    (snapshots, observer)
}

#[tokio::test(start_paused = true)]
async fn release_before_backoff_no_future_body_busy_connection() {
    let (recorder, alive, events) = (Recorder::new(), LiveCount::default(), EventLines::default());
    let (snapshots, observer) = snapshots(&recorder, &alive);
    let lines = events.clone();
    let log = move |event: &Event<'_>| lines.lock().unwrap().extend(event_line(event));
    let outbound = Outbound::builder().observer(recorder.clone()).observer(observer).observer(log).build();
    // A refused connect, a 503 in pieces, then a success.
    let busy = Script::new()
        .read_request()
        .write("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\n")
        .sleep(Duration::from_millis(1))
        .write("bu")
        .sleep(Duration::from_millis(1))
        .write("sy")
        .read_request()
        .write(OK);
    let (server, connector) = ScriptedServer::duplex(busy);
    let refused = Arc::new(AtomicBool::new(false));
    let connector = tower::service_fn(move |_: http::Uri| {
        let first = !refused.swap(true, Ordering::Relaxed);
        let io = if first {
            Err(ErrorKind::ConnectionRefused.into())
        } else {
            DuplexConnector::connect(&connector)
        };
        std::future::ready::<io::Result<_>>(io)
    });
    let layer = outbound
        .retry_layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_secs(9), Duration::from_secs(9))
        .seed(1);
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build(outbound.connector(connector));
    let client = layer.layer(CountedClient::new(outbound.attempt_layer().layer(client), &alive));
    let response = client.oneshot(get(server.uri("/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    assert_eq!(server.accepted(), 1);
    assert_eq!(*snapshots.lock().unwrap(), [(0, (0, 0)), (0, (0, 0)), (0, (0, 1)), (0, (0, 1))]);
    assert_eq!(alive.count(), 0);
    let expected = [
        "call",
        "attempt 0",
        "retry connect",
        "backoff",
        "backoff ended",
        "attempt 1",
        "retry status",
        "released drained",
        "backoff",
        "backoff ended",
        "attempt 2",
        "call ok",
    ];
    assert_eq!(*events.lock().unwrap(), expected);
    let names = recorder.names();
    let released = names.iter().position(|name| name == "Released").unwrap();
    let idle = names.iter().position(|name| name == "ConnectionIdle").unwrap();
    let ended = names.iter().enumerate().filter(|(_, name)| *name == "AttemptEnded").nth(1).unwrap().0;
    assert!(ended < released && idle < released, "{names:?}");
}

#[tokio::test]
async fn release_before_backoff_connection_serves_other_call() {
    for answer in [
        "HTTP/1.1 429 Too Many\r\nretry-after: 20\r\ncontent-length: 4\r\n\r\nbusy",
        "HTTP/1.1 429 Too Many\r\nretry-after: 20\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n",
    ] {
        let fixture = Fixture::new();
        let script = Script::new().read_request().write(answer).read_request().write(OK).hang();
        let server = ScriptedServer::tcp(script).await.unwrap();
        let layer = fixture.layer().status([StatusCode::TOO_MANY_REQUESTS]);
        let client = fixture.stack(fixture.outbound.connector(fixture.outbound.http_connector()), &layer);
        let mut first = Box::pin(send(&client, get(server.uri("/first"))));
        tokio::select! {
            _ = &mut first => panic!("the call is in its backoff"),
            () = fixture.recorder.wait_until(|recorder| recorder.count("BackoffStarted") == 1) => {}
        }
        let second = send(&client, get(server.uri("/second"))).await.unwrap();
        let connection = second.extensions().get::<Timings>().unwrap().attempt().connection().unwrap();
        assert_eq!(second.into_body().collect().await.unwrap().to_bytes(), "ok");
        assert_eq!(connection.local_addr().unwrap().port(), server.log()[0].peer_port().unwrap());
        assert_eq!((server.accepted(), server.requests()), (1, 2));
        drop(first);
        assert_eq!(fixture.events().last().unwrap(), "call cancelled in backoff");
        drop(client);
        fixture.recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn release_before_backoff_closes_answer_beyond_bounds() {
    let endless = "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n";
    let long = "HTTP/1.1 503 Busy\r\ncontent-length: 70000\r\n\r\nbusy";
    for (answer, expected) in [(endless, Duration::from_millis(50)), (long, Duration::ZERO)] {
        let fixture = Fixture::new();
        let scripts = [Script::new().read_request().write(answer).hang(), Script::answering(OK)];
        let (server, connector) = ScriptedServer::duplex(scripts);
        let layer =
            fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).backoff(Duration::ZERO, Duration::ZERO);
        let client = fixture.stack(fixture.outbound.connector(connector), &layer);
        let start = tokio::time::Instant::now();
        assert_eq!(fetch(&client, get(server.uri("/"))).await.unwrap().1, "ok");
        assert_eq!(start.elapsed(), expected, "{answer:?}");
        assert_eq!(fixture.events()[3], "released closed");
        assert_eq!(server.accepted(), 2);
    }
}
