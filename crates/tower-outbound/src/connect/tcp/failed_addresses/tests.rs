use super::*;
use crate::failure::{Failure, Kind};

const A: &str = "192.0.2.1:80";
const B: &str = "192.0.2.2:80";

/// Attempts: address, start and end in milliseconds, outcome.
fn record(addresses: &FailedAddresses, authority: &str, attempts: &[(&str, u64, u64, AddressOutcome)]) {
    let now = Instant::now();
    let at = |ms: &u64| now + Duration::from_millis(*ms);
    let attempts: Vec<_> = attempts
        .iter()
        .map(|(address, start, end, outcome)| AddressAttempt {
            address: address.parse().unwrap(),
            start: at(start),
            end: at(end),
            outcome: outcome.clone(),
        })
        .collect();
    addresses.record(authority, attempts.iter());
}

fn failed() -> AddressOutcome {
    AddressOutcome::Failed(Failure::new(Kind::ConnectionRefused))
}

fn last(addresses: &FailedAddresses, authority: &str) -> Option<String> {
    addresses.last_failed(authority).map(|address| address.to_string())
}

use AddressOutcome::{Cancelled, Connected, Lost};

#[tokio::test(start_paused = true)]
async fn address_memory_keeps_last_failed_until_connected() {
    let addresses = FailedAddresses::default();
    record(&addresses, "a:80", &[(A, 0, 5, failed()), (B, 5, 9, failed())]);
    assert_eq!(last(&addresses, "a:80").as_deref(), Some(B));
    assert_eq!(last(&addresses, "b:80"), None);
    record(&addresses, "a:80", &[(A, 0, 5, Connected)]);
    assert_eq!(last(&addresses, "a:80").as_deref(), Some(B), "that address was not tried");
    record(&addresses, "a:80", &[(B, 0, 5, Connected)]);
    assert_eq!((last(&addresses, "a:80"), addresses.len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn address_memory_counts_earlier_loser_but_not_later_loser() {
    let addresses = FailedAddresses::default();
    record(&addresses, "a:80", &[(B, 250, 260, Connected), (A, 0, 260, Lost)]);
    assert_eq!(last(&addresses, "a:80").as_deref(), Some(A));
    record(&addresses, "b:80", &[(A, 0, 260, Connected), (B, 250, 260, Lost)]);
    assert_eq!(last(&addresses, "b:80"), None);
    record(&addresses, "c:80", &[(A, 0, 260, Cancelled), (B, 250, 260, Cancelled)]);
    assert_eq!(last(&addresses, "c:80"), None);
}

#[tokio::test(start_paused = true)]
async fn address_memory_keeps_first_of_addresses_cut_by_timeout() {
    let addresses = FailedAddresses::default();
    record(&addresses, "a:80", &[(A, 0, 900, failed()), (B, 250, 900, failed())]);
    assert_eq!(last(&addresses, "a:80").as_deref(), Some(A));
}

#[tokio::test(start_paused = true)]
async fn address_memory_forgets_after_ten_minutes() {
    let addresses = FailedAddresses::default();
    record(&addresses, "a:80", &[(A, 0, 0, failed())]);
    tokio::time::advance(Duration::from_millis(599_999)).await;
    assert_eq!(last(&addresses, "a:80").as_deref(), Some(A));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!((last(&addresses, "a:80"), addresses.len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn address_memory_keeps_1000_origins_that_failed_latest() {
    let addresses = FailedAddresses::default();
    for origin in 0..1500 {
        record(&addresses, &format!("a:{origin}"), &[(A, 0, 0, failed())]);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(addresses.len(), 1000);
    assert_eq!((last(&addresses, "a:499"), last(&addresses, "a:500").as_deref()), (None, Some(A)));
}
