//! Everything is given back before the wait.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tower_outbound::Timings;

use super::alive::{Alive, Watched};
use super::*;

#[tokio::test(start_paused = true)]
async fn release_before_backoff_cancel_in_backoff_leaves_nothing() {
    let bench = Bench::new();
    let (server, connector) = ScriptedServer::duplex(Script::answering(BUSY));
    let layer = bench
        .layer()
        .status([StatusCode::SERVICE_UNAVAILABLE])
        .backoff(Duration::from_secs(9), Duration::from_secs(9))
        .seed(1);
    let client = bench.stack(bench.outbound.connector(connector), &layer);
    let mut call = Box::pin(send(&client, get(server.uri("/"))));
    tokio::select! {
        _ = &mut call => panic!("it waits"),
        () = bench.recorder.wait_until(|recorder| recorder.count("BackoffStarted") == 1) => {}
    }
    // The connection is idle, and serves another one meanwhile.
    assert_eq!(bench.recorder.gauges(), (0, 1));
    drop(call);
    assert_eq!(
        bench.told(),
        [
            "call",
            "attempt 0",
            "retry status",
            "released drained",
            "backoff",
            "backoff over",
            "call cancelled in backoff"
        ]
    );
    assert_eq!(bench.recorder.outcomes(), ["ok"]);
    drop(client);
    bench.recorder.settled().await;
}

/// What holds when a wait begins: live futures and bodies of the client, then the gauges.
type Seen = Arc<Mutex<Vec<(i64, (i64, i64))>>>;

fn looking(recorder: &Recorder, alive: &Alive) -> (Seen, impl Fn(&Event<'_>) + Send + Sync + 'static) {
    let (seen, recorder, alive) = (Seen::default(), recorder.clone(), alive.clone());
    let own = seen.clone();
    let look = move |event: &Event<'_>| {
        if matches!(event, Event::BackoffStarted { .. } | Event::BackoffEnded { .. }) {
            own.lock().unwrap().push((alive.count(), recorder.gauges()));
        }
    };
    (seen, look)
}

#[tokio::test(start_paused = true)]
async fn release_before_backoff_no_future_body_busy_connection() {
    let (recorder, alive, told) = (Recorder::new(), Alive::default(), Told::default());
    let (seen, look) = looking(&recorder, &alive);
    let lines = told.clone();
    let tell = move |event: &Event<'_>| lines.lock().unwrap().extend(line(event));
    let outbound = Outbound::builder().observer(recorder.clone()).observer(look).observer(tell).build();
    // Refused, then answered in pieces with 503, then well.
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
    let client = layer.layer(Watched::new(outbound.attempt_layer().layer(client), &alive));
    let response = client.oneshot(get(server.uri("/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    assert_eq!(server.accepted(), 1);
    assert_eq!(*seen.lock().unwrap(), [(0, (0, 0)), (0, (0, 0)), (0, (0, 1)), (0, (0, 1))]);
    assert_eq!(alive.count(), 0);
    let expected = [
        "call",
        "attempt 0",
        "retry connect",
        "backoff",
        "backoff over",
        "attempt 1",
        "retry status",
        "released drained",
        "backoff",
        "backoff over",
        "attempt 2",
        "call ok",
    ];
    assert_eq!(*told.lock().unwrap(), expected);
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
        let bench = Bench::new();
        let script = Script::new().read_request().write(answer).read_request().write(OK).hang();
        let server = ScriptedServer::tcp(script).await.unwrap();
        let layer = bench.layer().status([StatusCode::TOO_MANY_REQUESTS]);
        let client = bench.stack(bench.outbound.connector(bench.outbound.http_connector()), &layer);
        let mut first = Box::pin(send(&client, get(server.uri("/first"))));
        tokio::select! {
            _ = &mut first => panic!("it waits"),
            () = bench.recorder.wait_until(|recorder| recorder.count("BackoffStarted") == 1) => {}
        }
        let second = send(&client, get(server.uri("/second"))).await.unwrap();
        let connection = second.extensions().get::<Timings>().unwrap().attempt().connection().unwrap();
        assert_eq!(second.into_body().collect().await.unwrap().to_bytes(), "ok");
        assert_eq!(connection.local_addr().unwrap().port(), server.log()[0].peer_port().unwrap());
        assert_eq!((server.accepted(), server.requests()), (1, 2));
        drop(first);
        assert_eq!(bench.told().last().unwrap(), "call cancelled in backoff");
        drop(client);
        bench.recorder.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn release_before_backoff_closes_answer_beyond_bounds() {
    let endless = "HTTP/1.1 503 Busy\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n";
    let long = "HTTP/1.1 503 Busy\r\ncontent-length: 70000\r\n\r\nbusy";
    for (answer, waited) in [(endless, Duration::from_millis(50)), (long, Duration::ZERO)] {
        let bench = Bench::new();
        let scripts = [Script::new().read_request().write(answer).hang(), Script::answering(OK)];
        let (server, connector) = ScriptedServer::duplex(scripts);
        let layer =
            bench.layer().status([StatusCode::SERVICE_UNAVAILABLE]).backoff(Duration::ZERO, Duration::ZERO);
        let client = bench.stack(bench.outbound.connector(connector), &layer);
        let begun = tokio::time::Instant::now();
        assert_eq!(read(&client, get(server.uri("/"))).await.unwrap().1, "ok");
        assert_eq!(begun.elapsed(), waited, "{answer:?}");
        assert_eq!(bench.told()[3], "released closed");
        assert_eq!(server.accepted(), 2);
    }
}
