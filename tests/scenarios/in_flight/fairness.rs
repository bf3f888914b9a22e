//! Fairness between origins.

use tokio::time::Instant;

use super::*;

/// The wait of one caller to B beside callers to A, whose requests take 10 ms each.
async fn wait_of_b(callers_to_a: usize) -> Duration {
    let (outbound, recorder) =
        with(|builder| builder.max_in_flight(1).max_queued(100_000).acquire_timeout(Duration::ZERO));
    let service = slow(&outbound, ms(10));
    let calls: Vec<_> = (0..callers_to_a).map(|_| tokio::spawn(whole(service.clone(), to("a")))).collect();
    settle().await;
    tokio::time::sleep(ms(104)).await;
    let begun = Instant::now();
    whole(service.clone(), to("b")).await.unwrap();
    let took = begun.elapsed();
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    recorder.settled().await;
    assert_eq!(slots(&recorder), (0, 1, 0));
    took - ms(10)
}

#[tokio::test(start_paused = true)]
async fn fairness_wait_is_same_beside_10_000_callers() {
    // The request to A in flight takes another 6 ms.
    assert_eq!(wait_of_b(12).await, ms(6));
    assert_eq!(wait_of_b(10_000).await, ms(6));
}

#[tokio::test(start_paused = true)]
async fn fairness_origin_at_limit_does_not_block_other_origin() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(2).max_in_flight(3));
    let service = slow(&outbound, SECOND);
    let calls: Vec<_> = (0..10).map(|_| tokio::spawn(whole(service.clone(), to("a")))).collect();
    settle().await;
    assert_eq!(slots(&recorder), (2, 2, 8), "a request that waits for its origin holds nothing of the total");
    let begun = Instant::now();
    whole(service, to("b")).await.unwrap();
    assert_eq!(begun.elapsed(), SECOND);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(begun.elapsed(), 5 * SECOND);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn fairness_origins_waiting_for_total_take_turns() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight(1));
    let service = slow(&outbound, ms(10));
    let mut calls = Vec::new();
    for (host, count) in [("a", 5), ("b", 2), ("c", 3)] {
        for _ in 0..count {
            calls.push(tokio::spawn(whole(service.clone(), to(host))));
            settle().await;
        }
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let served: String =
        recorder.timings().iter().map(|timings| timings.attempt().origin().host()[..1].to_owned()).collect();
    assert_eq!(served, "abcabcacaa");
    recorder.settled().await;
}
