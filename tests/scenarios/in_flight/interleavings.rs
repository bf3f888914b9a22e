//! Random interleavings of callers, origins and peers: no limit is exceeded, and every slot is released.

use outbound_tests::server::Script;
use proptest::prelude::*;
use tower_outbound::Timings;

use super::*;

/// The actions of one caller, in milliseconds of the paused clock.
#[derive(Clone, Debug)]
struct Caller {
    origin: usize,
    starts_at: u64,
    gives_up_after: Option<u64>,
    reads: usize,
}

#[derive(Clone, Debug)]
struct Limits {
    per_origin: usize,
    total: usize,
    max_queued: usize,
    acquire_timeout: u64,
}

fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let caller = (0..3usize, 0..60u64, prop::option::of(0..60u64), 0..5usize);
    let caller = caller.prop_map(|(origin, starts_at, gives_up_after, reads)| Caller {
        origin,
        starts_at,
        gives_up_after,
        reads,
    });
    prop::collection::vec(caller, 1..40)
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..4usize, 1..6usize, prop_oneof![0..3usize, Just(1000)], 0..40u64).prop_map(
        |(per_origin, total, max_queued, acquire_timeout)| Limits {
            per_origin,
            total,
            max_queued,
            acquire_timeout,
        },
    )
}

fn script(index: usize) -> Script {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut script = Script::new().read_request().sleep(ms(4)).write(head);
    for _ in 0..3 {
        script = script.sleep(ms(3)).write("3\r\nabc\r\n");
    }
    match index % 4 {
        0 | 1 => script.write("0\r\n\r\n").repeat(),
        2 => script.reset(),
        _ => script.write("0\r\n\r\n").close(),
    }
}

async fn run(limits: Limits, callers: Vec<Caller>) {
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(|builder| {
        builder
            .max_in_flight_per_origin(limits.per_origin)
            .max_in_flight(limits.total)
            .max_queued(limits.max_queued)
            .acquire_timeout(ms(limits.acquire_timeout))
    });
    let client = stack(&outbound, outbound.connector(peer.delay(ms(2))));
    let tasks = callers.into_iter().map(|caller| {
        let (client, request) = (client.clone(), get(&server, ["a", "b", "c"][caller.origin]));
        tokio::spawn(async move {
            tokio::time::sleep(ms(caller.starts_at)).await;
            let attempt = async {
                let response = client.oneshot(request).await.ok()?;
                let timings = response.extensions().get::<Timings>().cloned();
                let mut body = response.into_body();
                for _ in 0..caller.reads {
                    body.frame().await?.ok()?;
                }
                timings
            };
            match caller.gives_up_after {
                None => attempt.await,
                Some(limit) => tokio::time::timeout(ms(limit), attempt).await.ok().flatten(),
            };
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let origins = recorder.slots().origins;
    assert!((1..=3).contains(&origins), "{origins}");
    drop((client, outbound));
    recorder.settled().await;
    assert_eq!(recorder.slots().origins, 0);
    assert!(slots(&recorder).1 <= limits.total as i64);
    for timings in recorder.timings() {
        let marks = timings.cumulative();
        let marks =
            [marks.queue, marks.acquire, marks.send_start, marks.first_byte, marks.head, marks.body_end];
        let passed: Vec<_> = marks.into_iter().flatten().collect();
        assert!(passed.is_sorted(), "{passed:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn permit_always_returned_under_random_cancel(limits in limits(), callers in callers()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(limits, callers));
    }
}
