//! The permit core under a model checker: callers take, wait, give up and return at once, in many schedules.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle \
//!     cargo test -p tower-outbound --lib in_flight::permit -- --nocapture
//! ```
//!
//! A few threads in every schedule that there is, more of them in many. A schedule that fails is printed, to be
//! handed to `shuttle::replay`. Who waits for ever is a deadlock to shuttle, and so is who takes a lock twice.

mod seen;
mod table;

use std::sync::Arc;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};

use self::seen::Limits;
use self::table::{Patience, Table, Tally};

/// Of the random schedules: the same ones each time.
const SEED: u64 = 5;
const SCHEDULES: usize = 4_000;

/// One thread: those who have a slot or wait do so, in this order, before any of them runs.
#[derive(Clone, Copy, Debug)]
enum Thread {
    Returns { origin: usize },
    Waits { origin: usize, patience: Patience },
    Arrives { origin: usize, patience: Patience },
}

fn run(table: Table, threads: &[Thread]) {
    let table = Arc::new(table);
    let work = threads.iter().map(|thread| -> Box<dyn FnOnce(&Table) + Send> {
        match *thread {
            Thread::Returns { origin } => {
                let Ok((permit, caller)) = table.take(origin) else { panic!("a slot is free") };
                Box::new(move |table| table.hold(permit, &caller))
            }
            Thread::Waits { origin, patience } => {
                let Err((holder, caller)) = table.take(origin) else { panic!("no slot is free") };
                let waiter = table.join(holder, caller).expect("it has to wait");
                Box::new(move |table| table.wait(waiter, patience))
            }
            Thread::Arrives { origin, patience } => Box::new(move |table| table.call(origin, patience)),
        }
    });
    let mut work: Vec<_> = work.collect();
    let last = work.pop().expect("somebody runs");
    let spawn = |work: Box<dyn FnOnce(&Table) + Send>| {
        let table = Arc::clone(&table);
        thread::spawn(move || work(&table))
    };
    let spawned: Vec<_> = work.into_iter().map(spawn).collect();
    last(&table);
    for thread in spawned {
        thread.join().unwrap();
    }
    Arc::into_inner(table).expect("all threads have ended").end();
}

fn in_every_schedule(limits: Limits, threads: &'static [Thread]) -> Arc<Tally> {
    let tally = Arc::<Tally>::default();
    let counted = Arc::clone(&tally);
    let schedules = Runner::new(DfsScheduler::new(None, false), Config::new())
        .run(move || run(Table::new(limits, 2, Arc::clone(&tally), true), threads));
    println!("{schedules} schedules, which are all, of {threads:?} under {limits:?}: {counted:?}");
    counted
}

const ONE_SLOT: Limits = Limits { per_origin: 1, total: 0, max_waiting: usize::MAX };
const ONE_IN_TOTAL: Limits = Limits { per_origin: 0, total: 1, max_waiting: usize::MAX };

#[test]
fn in_flight_permit_granted_to_cancelled_waiter_goes_to_next() {
    let tally = in_every_schedule(
        ONE_SLOT,
        &[
            Thread::Returns { origin: 0 },
            Thread::Waits { origin: 0, patience: Patience::Cancels },
            Thread::Waits { origin: 0, patience: Patience::Stays },
        ],
    );
    assert!(tally.granted_while_cancelling() > 0);
}

#[test]
fn in_flight_permit_granted_at_timeout_used_or_passed_on() {
    let tally = in_every_schedule(
        ONE_SLOT,
        &[
            Thread::Returns { origin: 0 },
            Thread::Waits { origin: 0, patience: Patience::TimesOut },
            Thread::Waits { origin: 0, patience: Patience::Stays },
        ],
    );
    assert!(tally.granted_at_the_timeout() > 0);
}

#[test]
fn in_flight_total_permit_of_cancelled_goes_to_other_origin() {
    let tally = in_every_schedule(
        ONE_IN_TOTAL,
        &[
            Thread::Returns { origin: 0 },
            Thread::Waits { origin: 1, patience: Patience::Cancels },
            Thread::Waits { origin: 0, patience: Patience::Stays },
        ],
    );
    assert!(tally.granted_while_cancelling() > 0);
}

#[test]
fn in_flight_arrival_during_return_keeps_order_gets_permit() {
    let tally = in_every_schedule(
        ONE_SLOT,
        &[Thread::Returns { origin: 0 }, Thread::Arrives { origin: 0, patience: Patience::Stays }],
    );
    assert!(tally.waited() > 0);
}

#[test]
fn in_flight_arrival_during_cancellation_gets_permit() {
    let tally = in_every_schedule(
        ONE_SLOT,
        &[
            Thread::Returns { origin: 0 },
            Thread::Waits { origin: 0, patience: Patience::Cancels },
            Thread::Arrives { origin: 0, patience: Patience::Stays },
        ],
    );
    assert!(tally.waited() > 0 && tally.granted_while_cancelling() > 0);
}

fn any_limits() -> Limits {
    let mut rng = thread_rng();
    let (per_origin, total) = (rng.gen_range(0..3), rng.gen_range(0..4));
    let max_waiting = if rng.gen_ratio(1, 4) { 1 } else { usize::MAX };
    Limits { per_origin, total: if per_origin == 0 { total.max(1) } else { total }, max_waiting }
}

fn any_thread() -> Thread {
    let mut rng = thread_rng();
    let patience = [Patience::Stays, Patience::Stays, Patience::Cancels, Patience::TimesOut];
    Thread::Arrives { origin: rng.gen_range(0..3), patience: patience[rng.gen_range(0..4)] }
}

fn in_many_schedules(scheduler: impl Scheduler + 'static) {
    let tally = Arc::<Tally>::default();
    let counted = Arc::clone(&tally);
    let schedules = Runner::new(scheduler, Config::new()).run(move || {
        let threads: Vec<_> = (0..thread_rng().gen_range(3..8)).map(|_| any_thread()).collect();
        run(Table::new(any_limits(), 3, Arc::clone(&tally), false), &threads);
    });
    println!("{schedules} schedules of any threads: {counted:?}");
    assert!(counted.waited() > 0 && counted.full() > 0);
    assert!(counted.granted_while_cancelling() > 0 && counted.granted_at_the_timeout() > 0);
}

#[test]
fn in_flight_permits_all_returned_in_random_schedules() {
    in_many_schedules(RandomScheduler::new_from_seed(SEED, SCHEDULES));
}

#[test]
fn in_flight_permits_all_returned_in_pct_schedules() {
    in_many_schedules(PctScheduler::new_from_seed(SEED, 4, SCHEDULES));
}
