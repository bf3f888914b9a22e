//! The instrument `crowd` in small: `cargo run --release -p outbound-tests --bin crowd` has the whole figures.

use std::time::Duration;

use outbound_tests::crowd::{Client, PoolOf, Protocol, callers, closing, idle, resets};

/// Outside of a runtime: the instrument has its own.
fn outside<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> R {
    std::thread::spawn(run).join().unwrap()
}

#[test]
fn callers_of_few_connections_come_in_order_and_leave_nothing() {
    let report = outside(|| callers(1_000, 10).unwrap());
    println!("{report}");
    assert!(report.peak <= 10 && report.failed == 0 && report.left == 0, "{report}");
    assert!(report.displaced < 10, "{report}");
    assert!(report.other < Duration::from_secs(1), "{report}");
}

#[test]
fn resets_under_load_fail_no_request() {
    for (pool, number) in [(PoolOf::This, 150), (PoolOf::HyperUtil, 12)] {
        for protocol in Protocol::ALL {
            let report = outside(move || resets(pool, protocol, number).unwrap());
            println!("{report}");
            assert!(report.is_right(), "{report}");
        }
    }
}

#[test]
fn connections_closed_when_taken_leave_no_call_hanging() {
    let report = outside(|| closing(4_000).unwrap());
    println!("{report}");
    assert!(report.is_right() && report.connections > 400, "{report}");
}

#[test]
fn reset_closes_a_thousand_idle_connections_at_once() {
    let report = outside(|| idle(Client::Observed, 1_000, None, Duration::ZERO).unwrap());
    println!("{report}");
    assert_eq!(report.closed, 1_000, "{report}");
    assert!(report.reset < Duration::from_secs(1) && report.list < Duration::from_secs(1), "{report}");
}
