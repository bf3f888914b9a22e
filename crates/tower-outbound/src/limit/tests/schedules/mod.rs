//! The limiter under a model checker: callers acquire, wait, give up and release at once, in many schedules.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle \
//!     cargo test -p tower-outbound --lib limit::tests::schedules -- --nocapture
//! ```
//!
//! Two or three threads run in every schedule, more threads in many random ones. A failing schedule is printed, for
//! `shuttle::replay`. shuttle reports a waiter that is never served, and a lock taken twice, as a deadlock.

mod harness;
mod ledger;

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};

use self::harness::{Harness, Tally, WaitEnd};
use super::in_flight;
use crate::settings::InFlightSettings;

/// Of the random schedules, so that each run has the same ones.
const SEED: u64 = 5;
const SCHEDULES: usize = 4_000;

/// One thread. Before any thread runs, `Releases` takes a slot and `Waits` joins the queue, in the order of the list.
#[derive(Clone, Copy, Debug)]
enum Thread {
    Releases { origin: usize },
    Waits { origin: usize, wait_end: WaitEnd },
    Arrives { origin: usize, wait_end: WaitEnd },
}

fn run(harness: Harness, threads: &[Thread]) {
    let harness = Arc::new(harness);
    let work = threads.iter().map(|thread| -> Box<dyn FnOnce(&Harness) + Send> {
        match *thread {
            Thread::Releases { origin } => {
                let Ok((permit, caller)) = harness.arrive(origin) else { panic!("a slot is free") };
                Box::new(move |harness| harness.hold(permit, &caller))
            }
            Thread::Waits { origin, wait_end } => {
                let Err((holder, caller)) = harness.arrive(origin) else { panic!("no slot is free") };
                let waiter = harness.enqueue(holder, caller).expect("no slot is free");
                Box::new(move |harness| harness.wait(waiter, wait_end))
            }
            Thread::Arrives { origin, wait_end } => Box::new(move |harness| harness.call(origin, wait_end)),
        }
    });
    let mut work: Vec<_> = work.collect();
    let last = work.pop().expect("at least one thread");
    let spawn = |work: Box<dyn FnOnce(&Harness) + Send>| {
        let harness = Arc::clone(&harness);
        thread::spawn(move || work(&harness))
    };
    let spawned: Vec<_> = work.into_iter().map(spawn).collect();
    last(&harness);
    for thread in spawned {
        thread.join().unwrap();
    }
    Arc::into_inner(harness).expect("all threads have ended").end();
}

fn in_every_schedule(settings: InFlightSettings, threads: &'static [Thread]) -> Arc<Tally> {
    let tally = Arc::<Tally>::default();
    let counted = Arc::clone(&tally);
    let schedules = Runner::new(DfsScheduler::new(None, false), Config::new())
        .run(move || run(Harness::new(settings, 2, Arc::clone(&tally), true), threads));
    println!("all {schedules} schedules of {threads:?} under {settings:?}: {counted:?}");
    counted
}

fn one_per_origin() -> InFlightSettings {
    in_flight(1, 0, usize::MAX)
}

fn one_in_total() -> InFlightSettings {
    in_flight(0, 1, usize::MAX)
}

#[test]
fn in_flight_permit_granted_to_cancelled_waiter_goes_to_next() {
    let tally = in_every_schedule(
        one_per_origin(),
        &[
            Thread::Releases { origin: 0 },
            Thread::Waits { origin: 0, wait_end: WaitEnd::Cancelled },
            Thread::Waits { origin: 0, wait_end: WaitEnd::Granted },
        ],
    );
    assert!(tally.granted_while_cancelling() > 0);
}

#[test]
fn in_flight_permit_granted_at_timeout_used_or_passed_on() {
    let tally = in_every_schedule(
        one_per_origin(),
        &[
            Thread::Releases { origin: 0 },
            Thread::Waits { origin: 0, wait_end: WaitEnd::TimedOut },
            Thread::Waits { origin: 0, wait_end: WaitEnd::Granted },
        ],
    );
    assert!(tally.granted_at_timeout() > 0);
}

#[test]
fn in_flight_total_permit_of_cancelled_goes_to_other_origin() {
    let tally = in_every_schedule(
        one_in_total(),
        &[
            Thread::Releases { origin: 0 },
            Thread::Waits { origin: 1, wait_end: WaitEnd::Cancelled },
            Thread::Waits { origin: 0, wait_end: WaitEnd::Granted },
        ],
    );
    assert!(tally.granted_while_cancelling() > 0);
}

#[test]
fn in_flight_arrival_during_return_keeps_order_gets_permit() {
    let tally = in_every_schedule(
        one_per_origin(),
        &[Thread::Releases { origin: 0 }, Thread::Arrives { origin: 0, wait_end: WaitEnd::Granted }],
    );
    assert!(tally.waited() > 0);
}

#[test]
fn in_flight_arrival_during_cancellation_gets_permit() {
    let tally = in_every_schedule(
        one_per_origin(),
        &[
            Thread::Releases { origin: 0 },
            Thread::Waits { origin: 0, wait_end: WaitEnd::Cancelled },
            Thread::Arrives { origin: 0, wait_end: WaitEnd::Granted },
        ],
    );
    assert!(tally.waited() > 0 && tally.granted_while_cancelling() > 0);
}

fn any_settings() -> InFlightSettings {
    let mut rng = thread_rng();
    let (per_origin, total) = (rng.gen_range(0..3), rng.gen_range(0..4));
    let max_queued = if rng.gen_ratio(1, 4) { 1 } else { usize::MAX };
    in_flight(per_origin, if per_origin == 0 { total.max(1) } else { total }, max_queued)
}

fn any_thread() -> Thread {
    let mut rng = thread_rng();
    let ends = [WaitEnd::Granted, WaitEnd::Granted, WaitEnd::Cancelled, WaitEnd::TimedOut];
    Thread::Arrives { origin: rng.gen_range(0..3), wait_end: ends[rng.gen_range(0..4)] }
}

fn in_many_schedules(scheduler: impl Scheduler + 'static) {
    let tally = Arc::<Tally>::default();
    let counted = Arc::clone(&tally);
    let schedules = Runner::new(scheduler, Config::new()).run(move || {
        let threads: Vec<_> = (0..thread_rng().gen_range(3..8)).map(|_| any_thread()).collect();
        run(Harness::new(any_settings(), 3, Arc::clone(&tally), false), &threads);
    });
    println!("{schedules} schedules of random threads: {counted:?}");
    assert!(counted.waited() > 0 && counted.full() > 0);
    assert!(counted.granted_while_cancelling() > 0 && counted.granted_at_timeout() > 0);
}

#[test]
fn in_flight_permits_all_returned_in_random_schedules() {
    in_many_schedules(RandomScheduler::new_from_seed(SEED, SCHEDULES));
}

#[test]
fn in_flight_permits_all_returned_in_pct_schedules() {
    in_many_schedules(PctScheduler::new_from_seed(SEED, 4, SCHEDULES));
}
