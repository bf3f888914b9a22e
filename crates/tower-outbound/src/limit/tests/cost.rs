//! The cost of a slot, and that the number of waiters does not change it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::super::InFlightLimitBody;
use super::super::acquire::Acquire;
use super::super::limiter::{Holder, Limiter};
use super::super::permit::Permit;
use super::{CountingWaker, in_flight, registry};
use crate::error::Error;
use crate::observe::ObserveBody;
use crate::outbound::Outbound;
use crate::settings::{ACQUIRE_TIMEOUT, InFlightSettings};

/// Numbers of waiters beside the measured one.
const WAITING: [usize; 3] = [1, 100, MANY];
const MANY: usize = 10_000;
/// Of a batch, and of a run under callgrind: each waiter is served twice.
const ROUNDS: usize = 20_000;
/// Batches, of which the fastest counts, since other processes may run.
const BATCHES: usize = 40;
/// Environment variable of the run under callgrind: the operation and the number of waiters.
const RUN: &str = "IN_FLIGHT_COST";

/// The measured operation: one more request waits, and the first waiter is served.
#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Without a service: the queue joined, the slot granted and released.
    Slot,
    /// The same with an acquire timeout.
    TimedSlot,
    /// The same, with one origin per waiter.
    Origins,
    /// A whole observed call that waits for a slot.
    Queued,
    /// The same without a limit, kept alive as long: to compare the memory of as many calls.
    Unlimited,
}

const ALL: [Operation; 5] =
    [Operation::Slot, Operation::TimedSlot, Operation::Origins, Operation::Queued, Operation::Unlimited];

type Round = Box<dyn FnMut()>;

impl Operation {
    fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|operation| format!("{operation:?}") == name)
    }

    fn beside(self, waiting: usize, waker: &Waker) -> Round {
        match self {
            Self::Slot => slots(waiting, 1, Duration::ZERO, waker.clone()),
            Self::TimedSlot => slots(waiting, 1, ACQUIRE_TIMEOUT, waker.clone()),
            Self::Origins => slots(waiting, waiting + 2, ACQUIRE_TIMEOUT, waker.clone()),
            Self::Queued => whole_calls(waiting, true, waker.clone()),
            Self::Unlimited => whole_calls(waiting, false, waker.clone()),
        }
    }
}

fn limiter(timeout: Duration) -> (Arc<Limiter>, impl Fn(usize) -> Holder) {
    let registry = registry();
    let settings = InFlightSettings { acquire_timeout: timeout, ..in_flight(0, 1, usize::MAX) };
    let limiter = Limiter::new(registry.clone(), Some(settings));
    let origin = move |at| registry.origin(&format!("http://{at}.test/").parse().unwrap());
    (Arc::new(limiter), move |at| Holder { origin: origin(at), attempt: None })
}

fn slots(waiting: usize, origins: usize, timeout: Duration, waker: Waker) -> Round {
    let (limiter, holder) = limiter(timeout);
    let mut holders: VecDeque<Holder> = (0..origins).map(holder).collect();
    let mut held: Option<Permit> = limiter.try_acquire(holders[0].clone()).ok();
    let mut queue: VecDeque<Acquire> = VecDeque::new();
    let mut round = move |pop: bool| {
        let cx = &mut Context::from_waker(&waker);
        holders.rotate_left(1);
        let mut acquire = Acquire::new(Arc::clone(&limiter), holders[0].clone());
        assert!(acquire.poll(cx).is_pending());
        queue.push_back(acquire);
        if pop {
            drop(held.take());
            let Poll::Ready(Ok(next)) = queue.pop_front().unwrap().poll(cx) else { panic!("not served") };
            held = Some(next);
        }
    };
    (0..waiting).for_each(|_| round(false));
    Box::new(move || round(true))
}

type Call = Pin<Box<dyn Future<Output = Result<Response<ObserveBody<InFlightLimitBody<String>>>, Error>>>>;

/// Observed calls, one of which holds the slot. Without a limit, each call is pending at its first poll.
fn calls(limited: bool) -> impl Fn() -> Call {
    let outbound =
        Outbound::builder().max_in_flight_per_origin(usize::from(limited)).max_queued(usize::MAX).build();
    let service = outbound.attempt_layer().layer(tower::service_fn(move |request: Request<_>| {
        let (mut waits, mut request) = (!limited, Some(request));
        poll_fn(move |_| {
            if std::mem::take(&mut waits) {
                return Poll::Pending;
            }
            drop(request.take());
            Poll::Ready(Ok::<_, Infallible>(Response::new("ok".to_owned())))
        })
    }));
    move || Box::pin(service.clone().call(Request::get("http://peer.test/").body(String::new()).unwrap()))
}

fn whole_calls(waiting: usize, limited: bool, waker: Waker) -> Round {
    let call = calls(limited);
    let mut held = match call().as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(response) => response.ok(),
        Poll::Pending => None,
    };
    let mut queue = VecDeque::new();
    let mut round = move |pop: bool| {
        let cx = &mut Context::from_waker(&waker);
        let mut last = call();
        assert!(last.as_mut().poll(cx).is_pending());
        queue.push_back(last);
        if pop {
            drop(held.take());
            let Poll::Ready(Ok(next)) = queue.pop_front().unwrap().as_mut().poll(cx) else {
                panic!("not served")
            };
            held = Some(next);
        }
    };
    (0..waiting).for_each(|_| round(false));
    Box::new(move || round(true))
}

/// The function whose instructions callgrind counts.
#[inline(never)]
fn measured(round: &mut dyn FnMut()) {
    (0..ROUNDS).for_each(|_| round());
}

async fn task_waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// `cargo test --release -p tower-outbound --lib limit::tests::cost::in_flight_cost_in_nanoseconds -- --ignored --nocapture`
#[tokio::test]
#[ignore = "prints durations and asserts nothing: run it alone, in release"]
async fn in_flight_cost_in_nanoseconds() {
    let waker = task_waker().await;
    let (limiter, holder) = limiter(ACQUIRE_TIMEOUT);
    let holder = holder(0);
    let clock = || {
        black_box(Instant::now());
    };
    let free = move || drop(black_box(limiter.try_acquire(holder.clone()).ok()));
    let mut rounds: Vec<(String, Round)> = vec![
        ("a clock read, to compare".into(), Box::new(clock)),
        ("a free slot taken and released".into(), Box::new(free)),
    ];
    for operation in ALL {
        let named = |waiting| (format!("{operation:?} beside {waiting}"), operation.beside(waiting, &waker));
        rounds.extend(WAITING.map(named));
    }
    let mut best = vec![f64::INFINITY; rounds.len()];
    // Alternating, so that other processes disturb all alike.
    for _ in 0..BATCHES {
        for ((_, round), best) in rounds.iter_mut().zip(&mut best) {
            let begun = Instant::now();
            measured(round);
            *best = best.min(begun.elapsed().as_nanos() as f64 / ROUNDS as f64);
        }
    }
    for ((name, _), best) in rounds.iter().zip(best) {
        println!("{name}: {best:.1} ns");
    }
}

/// `cargo test --release -p tower-outbound --lib limit::tests::cost::in_flight_cost_in_instructions_independent_of_waiters -- --ignored --nocapture`
///
/// Runs itself under callgrind, which counts instructions and cache lines missed by a first cache of 32 KiB and a second
/// one of 512 KiB. By hand, for the functions: `IN_FLIGHT_COST="Queued 10000" valgrind
/// --tool=callgrind --toggle-collect='*limit::tests::cost::measured' PROGRAM --ignored limit::tests::cost::in_flight_cost_in_instructions_independent_of_waiters`,
/// where `--no-run` prints the program.
#[tokio::test]
#[ignore = "needs valgrind and takes a minute: run it in release"]
async fn in_flight_cost_in_instructions_independent_of_waiters() {
    if let Ok(run) = std::env::var(RUN) {
        let run = run
            .split_once(' ')
            .and_then(|(operation, waiting)| Some((Operation::named(operation)?, waiting.parse().ok()?)));
        let (operation, waiting) = run.expect("an operation, a space, a number of waiters");
        let mut round = operation.beside(waiting, &task_waker().await);
        // From then on each waiter takes the memory of an earlier one.
        (0..=waiting).for_each(|_| round());
        return measured(&mut round);
    }
    for operation in ALL {
        let instructions = WAITING.map(|waiting| {
            let [instructions, .., read, written] = under_callgrind(operation, waiting);
            println!(
                "{operation:?} beside {waiting}: {instructions:.1} instructions, {:.1} lines",
                read + written
            );
            instructions
        });
        let [one, .., many] = instructions;
        assert!(many <= 1.1 * one, "{operation:?}: {many:.1} beside many, {one:.1} beside one");
    }
}

/// Returns callgrind's events per round: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw.
fn under_callgrind(operation: Operation, waiting: usize) -> [f64; 9] {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--cache-sim=yes", "--D1=32768,8,64", "--LL=524288,8,64"])
        .arg("--toggle-collect=*limit::tests::cost::measured")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "limit::tests::cost::in_flight_cost_in_instructions_independent_of_waiters",
        ])
        .env(RUN, format!("{operation:?} {waiting}"))
        .output()
        .expect("valgrind is installed");
    let output = String::from_utf8_lossy(&run.stderr);
    let collected = output.lines().find_map(|line| line.split_once("Collected : ")).expect(&output).1;
    // Callgrind omits trailing zeros.
    let mut events = [0.0; 9];
    for (event, count) in events.iter_mut().zip(collected.split_whitespace()) {
        *event = count.parse::<f64>().unwrap() / ROUNDS as f64;
    }
    assert!(run.status.success() && events[0] > 0.0, "nothing was measured: {output}");
    events
}

#[tokio::test]
async fn in_flight_permit_returned_wakes_single_ready_waiter() {
    let counting = Arc::new(CountingWaker::default());
    let waker = Waker::from(Arc::clone(&counting));
    let mut round = whole_calls(MANY, true, waker);
    for served in 1..=MANY {
        round();
        assert_eq!(counting.wakes(), served);
    }
}
