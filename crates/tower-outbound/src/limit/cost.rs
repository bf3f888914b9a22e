//! What a slot costs, and that it costs no more where more wait.

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

use super::InFlightLimitBody;
use super::permit::{Holder, Limiter, Permit, Wait};
use super::tests::Bell;
use super::turns::Turns;
use crate::error::Error;
use crate::event::ObserversBuilder;
use crate::observe::ObserveBody;
use crate::outbound::Outbound;
use crate::record::Registry;
use crate::settings::ACQUIRE_TIMEOUT;

/// So many wait beside the one that is measured.
const WAITING: [usize; 3] = [1, 100, MANY];
const MANY: usize = 10_000;
/// Of a batch, and of a run under callgrind: each who waits has its turn twice.
const ROUNDS: usize = 20_000;
/// Batches, of which the best counts: others may use the machine.
const BATCHES: usize = 40;
/// In the environment of the run under callgrind: what it is to do, and beside how many.
const RUN: &str = "IN_FLIGHT_COST";

/// What is measured: one more waits, and the first of those who wait has what it waits for.
#[derive(Clone, Copy, Debug)]
enum What {
    /// A slot of the total alone: the queue joined, the slot had and given back.
    Slot,
    /// The same with an acquire timeout.
    TimedSlot,
    /// The same, where each waits at an origin of its own.
    Origins,
    /// A whole observed call, which waits for a slot.
    Queued,
    /// The same without a limit, kept alive as long: so many calls are so much memory, whatever they wait for.
    Unlimited,
}

const ALL: [What; 5] = [What::Slot, What::TimedSlot, What::Origins, What::Queued, What::Unlimited];

type Round = Box<dyn FnMut()>;

impl What {
    fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|what| format!("{what:?}") == name)
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
    let registry = Registry::new(ObserversBuilder::default().build(), crate::settings::Settings::default());
    let limiter = Limiter::new(registry.clone(), Turns::new(0, 1, usize::MAX), timeout);
    let origin = move |at| registry.origin(&format!("http://{at}.test/").parse().unwrap());
    (Arc::new(limiter), move |at| Holder { origin: origin(at), attempt: None })
}

fn slots(waiting: usize, origins: usize, timeout: Duration, waker: Waker) -> Round {
    let (limiter, holder) = limiter(timeout);
    let mut holders: VecDeque<Holder> = (0..origins).map(holder).collect();
    let mut held: Option<Permit> = limiter.take(holders[0].clone()).ok();
    let mut queue: VecDeque<Wait> = VecDeque::new();
    let mut round = move |pop: bool| {
        let cx = &mut Context::from_waker(&waker);
        holders.rotate_left(1);
        let mut wait = Wait::new(Arc::clone(&limiter), holders[0].clone());
        assert!(wait.poll(cx).is_pending());
        queue.push_back(wait);
        if pop {
            drop(held.take());
            let Poll::Ready(Ok(next)) = queue.pop_front().unwrap().poll(cx) else { panic!("its turn") };
            held = Some(next);
        }
    };
    (0..waiting).for_each(|_| round(false));
    Box::new(move || round(true))
}

type Call = Pin<Box<dyn Future<Output = Result<Response<ObserveBody<InFlightLimitBody<String>>>, Error>>>>;

/// Observed calls, one of which has a slot; without a limit, each waits at the first poll.
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
                panic!("its turn")
            };
            held = Some(next);
        }
    };
    (0..waiting).for_each(|_| round(false));
    Box::new(move || round(true))
}

/// By this name callgrind knows what to count.
#[inline(never)]
fn measured(round: &mut dyn FnMut()) {
    (0..ROUNDS).for_each(|_| round());
}

async fn waker_of_a_task() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

/// `cargo test --release -p tower-outbound --lib limit::cost::in_flight_cost_in_nanoseconds -- --ignored --nocapture`
#[tokio::test]
#[ignore = "prints what it takes and asserts nothing: to be run in release and alone"]
async fn in_flight_cost_in_nanoseconds() {
    let waker = waker_of_a_task().await;
    let (limiter, holder) = limiter(ACQUIRE_TIMEOUT);
    let holder = holder(0);
    let clock = || {
        black_box(Instant::now());
    };
    let free = move || drop(black_box(limiter.take(holder.clone()).ok()));
    let mut rounds: Vec<(String, Round)> = vec![
        ("a clock read, to compare".into(), Box::new(clock)),
        ("a slot taken and given back, nobody else there".into(), Box::new(free)),
    ];
    for what in ALL {
        rounds.extend(
            WAITING.map(|waiting| (format!("{what:?} beside {waiting}"), what.beside(waiting, &waker))),
        );
    }
    let mut best = vec![f64::INFINITY; rounds.len()];
    // In turns, so that what others do on the machine is shared by all.
    for _ in 0..BATCHES {
        for ((_, round), best) in rounds.iter_mut().zip(&mut best) {
            let begun = Instant::now();
            measured(round);
            *best = best.min(begun.elapsed().as_nanos() as f64 / ROUNDS as f64);
        }
    }
    for ((what, _), best) in rounds.iter().zip(best) {
        println!("{what}: {best:.1} ns");
    }
}

/// `cargo test --release -p tower-outbound --lib limit::cost::in_flight_cost_in_instructions_independent_of_waiters -- --ignored --nocapture`
///
/// Runs itself under callgrind, which counts instructions and the lines of 64 bytes that are neither in a first cache
/// of 32 KiB nor in a second one of 512 KiB. By hand, to see where: `IN_FLIGHT_COST="Queued 10000" valgrind
/// --tool=callgrind --toggle-collect='*limit::cost::measured' PROGRAM --ignored limit::cost::in_flight_cost_in_instructions_independent_of_waiters`,
/// where `--no-run` tells the program.
#[tokio::test]
#[ignore = "needs valgrind and takes a minute: to be run in release"]
async fn in_flight_cost_in_instructions_independent_of_waiters() {
    if let Ok(run) = std::env::var(RUN) {
        let run =
            run.split_once(' ').and_then(|(what, waiting)| Some((What::named(what)?, waiting.parse().ok()?)));
        let (what, waiting) = run.expect("what is measured, a space, how many wait");
        let mut round = what.beside(waiting, &waker_of_a_task().await);
        // Each that waits now takes the room of one before it, as it does from then on.
        (0..=waiting).for_each(|_| round());
        return measured(&mut round);
    }
    for what in ALL {
        let instructions = WAITING.map(|waiting| {
            let [instructions, .., read, written] = under_callgrind(what, waiting);
            println!(
                "{what:?} beside {waiting}: {instructions:.1} instructions, {:.1} lines",
                read + written
            );
            instructions
        });
        let [one, .., many] = instructions;
        assert!(many <= 1.1 * one, "{what:?}: {many:.1} beside many, {one:.1} beside one");
    }
}

/// Per round, callgrind's events: Ir Dr Dw I1mr D1mr D1mw ILmr DLmr DLmw.
fn under_callgrind(what: What, waiting: usize) -> [f64; 9] {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--cache-sim=yes", "--D1=32768,8,64", "--LL=524288,8,64"])
        .arg("--toggle-collect=*limit::cost::measured")
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "limit::cost::in_flight_cost_in_instructions_independent_of_waiters"])
        .env(RUN, format!("{what:?} {waiting}"))
        .output()
        .expect("valgrind is installed");
    let said = String::from_utf8_lossy(&run.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).expect(&said).1;
    // Zeros at the end are left out.
    let mut events = [0.0; 9];
    for (event, count) in events.iter_mut().zip(collected.split_whitespace()) {
        *event = count.parse::<f64>().unwrap() / ROUNDS as f64;
    }
    assert!(run.status.success() && events[0] > 0.0, "nothing was measured: {said}");
    events
}

#[tokio::test]
async fn in_flight_permit_returned_wakes_single_ready_waiter() {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut round = whole_calls(MANY, true, waker);
    for served in 1..=MANY {
        round();
        assert_eq!(bell.rung(), served);
    }
}
