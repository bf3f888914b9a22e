//! Load on many threads: the limits hold at any time, and every request is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outbound_tests::server::LoadServer;
use tower_outbound::Kind;

use super::*;

const ORIGINS: usize = 4;

/// Requests in flight, per origin and in total.
#[derive(Default)]
struct Gauges {
    origins: [AtomicI64; ORIGINS],
    all: AtomicI64,
    most: AtomicI64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_flight_limits_hold_on_four_threads_permits_returned() {
    const CALLERS: u64 = 200;
    const CALLS: u64 = 50;
    let (outbound, recorder) = with(|builder| {
        builder
            .max_in_flight_per_origin(3)
            .max_in_flight(8)
            .max_queued(100_000)
            .acquire_timeout(Duration::ZERO)
    });
    let gauges = Arc::new(Gauges::default());
    let counted = Arc::clone(&gauges);
    let service = outbound.attempt_layer().layer(tower::service_fn(move |request: Request<_>| {
        let gauges = Arc::clone(&counted);
        let at: usize = request.uri().host().unwrap()[..1].parse().unwrap();
        async move {
            assert!(gauges.origins[at].fetch_add(1, Ordering::SeqCst) < 3, "the origin's limit");
            let all = gauges.all.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(all <= 8, "the total");
            gauges.most.fetch_max(all, Ordering::SeqCst);
            let guard = InFlightGuard(gauges, at);
            tokio::task::yield_now().await;
            drop(guard);
            Ok::<_, std::convert::Infallible>(Response::new(Body::from("ok")))
        }
    }));
    let callers = (0..CALLERS).map(|caller| {
        let service = service.clone();
        tokio::spawn(async move {
            for call in 0..CALLS {
                let number = caller * CALLS + call;
                let request = to(&(number % ORIGINS as u64).to_string());
                let mut call = Box::pin(whole(service.clone(), request));
                // Every third request is dropped after some polls.
                if number.is_multiple_of(3) {
                    for _ in 0..number % 7 {
                        if poll_once(&mut call).is_ready() {
                            break;
                        }
                        tokio::task::yield_now().await;
                    }
                } else {
                    call.await.unwrap();
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        tokio::time::timeout(60 * SECOND, caller).await.expect("a request is never served").unwrap();
    }
    assert_eq!(gauges.all.load(Ordering::SeqCst), 0);
    assert_eq!(gauges.most.load(Ordering::SeqCst), 8, "the limit was reached");
    assert_eq!(slots(&recorder), (0, 8, 0));
    recorder.settled().await;
}

struct InFlightGuard(Arc<Gauges>, usize);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.origins[self.1].fetch_sub(1, Ordering::SeqCst);
        self.0.all.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn permit_always_returned_by_whole_client_under_load() {
    let server = LoadServer::builder().start().await.unwrap();
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(5));
    let client = outbound.client();
    let uri = server.uri("/");
    let callers = (0..50).map(|_| {
        let (client, uri) = (client.clone(), uri.clone());
        tokio::spawn(async move {
            for _ in 0..20 {
                match client.get(uri.clone()).await {
                    Ok(response) => drop(response.into_body().collect().await),
                    // The server may close a connection that is about to be reused.
                    Err(error) => assert_ne!(error.failure().kind(), Kind::PoolTimeout),
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(slots(&recorder), (0, 5, 0));
    // A retry takes a slot of its own.
    assert!(recorder.count("SlotTaken") >= 1000);
    assert_eq!(recorder.count("SlotTaken"), recorder.count("SlotReturned"));
    drop((client, outbound));
    recorder.settled().await;
}
