//! Invariants under random interleavings: starts equal ends, gauges return to 0, marks are monotone.

use std::time::Duration;

use http_body_util::BodyExt as _;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer};
use proptest::prelude::*;
use tower::ServiceExt as _;
use tower_outbound::Timings;

use crate::support::{Body, recorded, stack};

/// A caller's behaviour, in milliseconds of the paused clock.
#[derive(Clone, Debug)]
struct Caller {
    starts_at: u64,
    gives_up_after: Option<u64>,
    frames: usize,
}

/// The peer's behaviour on one connection.
#[derive(Clone, Debug)]
struct Peer {
    think: u64,
    frames: usize,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    KeepAlive,
    Announced,
    Silent,
    Truncated,
    Reset,
}

fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let caller = (0..80u64, proptest::option::of(0..60u64), 0..5usize);
    let caller =
        caller.prop_map(|(starts_at, gives_up_after, frames)| Caller { starts_at, gives_up_after, frames });
    proptest::collection::vec(caller, 1..24)
}

fn peers() -> impl Strategy<Value = Vec<Peer>> {
    let end = prop_oneof![
        4 => Just(End::KeepAlive),
        1 => Just(End::Announced),
        1 => Just(End::Silent),
        1 => Just(End::Truncated),
        1 => Just(End::Reset),
    ];
    let peer = (0..30u64, 0..4usize, end).prop_map(|(think, frames, end)| Peer { think, frames, end });
    proptest::collection::vec(peer, 1..8)
}

fn script(peer: &Peer) -> Script {
    let close = if matches!(peer.end, End::Announced) { "connection: close\r\n" } else { "" };
    let head = format!("HTTP/1.1 200 OK\r\n{close}transfer-encoding: chunked\r\n\r\n");
    let mut script = Script::new().read_request().sleep(Duration::from_millis(peer.think)).write(head);
    for _ in 0..peer.frames {
        script = script.sleep(Duration::from_millis(3)).write("3\r\nabc\r\n");
    }
    match peer.end {
        End::KeepAlive => script.write("0\r\n\r\n").repeat(),
        End::Announced | End::Silent => script.write("0\r\n\r\n").close(),
        End::Truncated => script.close(),
        End::Reset => script.reset(),
    }
}

async fn run(callers: Vec<Caller>, peers: Vec<Peer>) {
    let scripts: Vec<_> = peers.iter().map(script).collect();
    let (server, connector) =
        ScriptedServer::duplex(move |index: usize| scripts[index % scripts.len()].clone());
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(connector.delay(Duration::from_millis(7))));

    let tasks = callers.into_iter().map(|caller| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(caller.starts_at)).await;
            let attempt = async {
                let response = client.oneshot(secret::request(&uri, Body::from("upload"))).await.ok()?;
                let timings = response.extensions().get::<Timings>().cloned();
                let mut body = response.into_body();
                for _ in 0..caller.frames {
                    body.frame().await?.ok()?;
                }
                timings
            };
            match caller.gives_up_after {
                None => attempt.await,
                Some(limit) => {
                    tokio::time::timeout(Duration::from_millis(limit), attempt).await.ok().flatten()
                }
            };
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    drop(client);
    recorder.settled().await;

    assert_eq!(recorder.count("connected"), server.accepted() as i64);
    assert!(outbound.connections().is_empty());
    for timings in recorder.timings() {
        let marks = timings.cumulative();
        let marks = [marks.acquire, marks.send_start, marks.first_byte, marks.head, marks.body_end];
        let passed: Vec<_> = marks.into_iter().flatten().collect();
        assert!(passed.is_sorted(), "{passed:?}");
        assert!(timings.is_complete());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn interleavings_random_cancel_leaves_nothing_open(callers in callers(), peers in peers()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(callers, peers));
    }
}
