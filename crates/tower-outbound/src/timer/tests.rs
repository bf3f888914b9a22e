//! The queues under a paused clock, and their cost.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, advance};

use super::queue::ArmedTimer;
use super::{Timeout, Timers};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A waker that counts.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl CountingWaker {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn arm(timers: &Timers, after: Duration) -> (ArmedTimer, Arc<CountingWaker>) {
    let waker = Arc::new(CountingWaker::default());
    (timers.arm(Instant::now(), after, &Waker::from(waker.clone())).unwrap(), waker)
}

async fn due(armed: &ArmedTimer) {
    poll_fn(|cx| if armed.poll(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Lets every other task run.
async fn settle() {
    for _ in 0..8 {
        yield_now().await;
    }
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn timer_is_due_exactly_at_deadline() {
    let timers = Timers::default();
    let begun = Instant::now();
    let (first, waker) = arm(&timers, ms(100));
    advance(ms(60)).await;
    let (second, _) = arm(&timers, ms(100));
    advance(ms(39)).await;
    settle().await;
    assert_eq!((first.has_fired(), waker.wakes()), (false, 0));
    due(&first).await;
    assert_eq!(begun.elapsed(), ms(100));
    due(&second).await;
    assert_eq!(begun.elapsed(), ms(160));
}

#[tokio::test(start_paused = true)]
async fn timer_disarmed_wakes_no_task_and_frees_memory() {
    let timers = Timers::default();
    let (kept, _) = arm(&timers, ms(100));
    let wakers: Vec<_> = (0..1_000).map(|_| arm(&timers, ms(100)).1).collect();
    let [queue] = timers.queues().try_into().unwrap();
    let (taken, room, _) = queue.counts();
    assert!(taken == 1 && room <= 8, "{taken} taken of {room}");
    due(&kept).await;
    assert_eq!(wakers.iter().map(|waker| waker.wakes()).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn timer_task_serves_100000_and_ends_after_last() {
    const MANY: usize = 100_000;
    let timers = Timers::default();
    let armed: Vec<_> = (0..MANY).map(|_| arm(&timers, ms(100))).collect();
    settle().await;
    assert_eq!(tasks(), 1);
    due(&armed[MANY - 1].0).await;
    // The awaited timer has the waker of this task.
    assert_eq!(armed.iter().map(|(_, waker)| waker.wakes()).sum::<usize>(), MANY - 1);
    assert!(armed.iter().all(|(armed, _)| armed.has_fired()));
    settle().await;
    assert_eq!(tasks(), 0);
    drop(armed);
    let [queue] = timers.queues().try_into().unwrap();
    assert_eq!(queue.counts(), (0, 0, false), "no memory is kept, and no task runs");
}

#[tokio::test(start_paused = true)]
async fn timer_task_ends_when_idle_and_restarts_when_armed() {
    let timers = Timers::default();
    for _ in 0..3 {
        let (armed, _) = arm(&timers, ms(100));
        settle().await;
        drop(armed);
        settle().await;
        assert_eq!(tasks(), 1, "until the first timer would have fired");
        advance(ms(100)).await;
        settle().await;
        assert_eq!(tasks(), 0);
        due(&arm(&timers, ms(100)).0).await;
        settle().await;
        assert_eq!(tasks(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn timer_task_ends_at_once_when_owner_dropped() {
    let timers = Timers::default();
    let (armed, _) = arm(&timers, Duration::from_secs(3600));
    settle().await;
    drop(timers);
    settle().await;
    assert_eq!(tasks(), 1, "a timer is still armed");
    drop(armed);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[test]
fn timer_queues_are_separate_per_runtime() {
    let timers = Timers::default();
    let (idle, other) = (paused(), paused());
    let (left, waker) = idle.block_on(async {
        let left = arm(&timers, ms(100));
        settle().await;
        left
    });
    // The first runtime exists, but nothing runs it.
    other.block_on(async { due(&arm(&timers, ms(100)).0).await });
    assert_eq!((timers.queues().len(), left.has_fired(), waker.wakes()), (2, false, 0));
    idle.block_on(due(&left));
}

#[test]
fn timer_of_dropped_runtime_continues_on_other_runtime() {
    let timers = Timers::default();
    let first = paused();
    let (armed, _) = first.block_on(async {
        let armed = arm(&timers, ms(100));
        settle().await;
        armed
    });
    drop(first);
    assert!(!timers.queues()[0].counts().2, "no task is left");
    // The clock of the other runtime may be behind.
    paused().block_on(async {
        due(&armed).await;
        settle().await;
        assert_eq!(tasks(), 0);
    });
}

#[test]
fn timer_polled_outside_runtime_waits_for_next_runtime() {
    let timers = Timers::default();
    let first = paused();
    let (armed, _) = first.block_on(async { arm(&timers, ms(100)) });
    drop(first);
    assert!(!armed.poll(&Context::from_waker(Waker::noop())));
    paused().block_on(due(&armed));
}

#[test]
fn timer_on_many_threads_never_early_and_never_lost() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let timers = Arc::new(Timers::default());
        let tasks = (0..64).map(|task| {
            let timers = timers.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    let begun = Instant::now();
                    let (armed, _) = arm(&timers, ms(1));
                    // Some timers are disarmed, partly before the driver has run.
                    if (task + round) % 3 > 0 {
                        due(&armed).await;
                        assert!(begun.elapsed() >= ms(1));
                    } else {
                        yield_now().await;
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(timers.queues()[0].counts().0, 0);
    });
}

#[test]
fn timeout_without_runtime_never_fires() {
    let timers = Timers::default();
    assert!(timers.arm(Instant::now(), ms(1), Waker::noop()).is_none());
    let mut timeout = Timeout::new(ms(1));
    assert!(!timeout.poll(&timers, &mut Context::from_waker(Waker::noop()), || Some(Instant::now())));
}

#[tokio::test(start_paused = true)]
async fn timer_unused_durations_are_bounded() {
    let timers = Timers::default();
    let (kept, _) = arm(&timers, ms(20_000));
    for at in 1..10_000 {
        drop(arm(&timers, ms(at)));
    }
    assert!(timers.queues().len() <= 65, "{} queues", timers.queues().len());
    // The runtime returns here after some tens of tasks.
    for _ in 0..50 {
        settle().await;
    }
    assert!(tasks() <= 65, "{} tasks", tasks());
    due(&kept).await;
}

#[tokio::test(start_paused = true)]
async fn timer_duration_beyond_clock_is_not_armed() {
    assert!(Timers::default().arm(Instant::now(), Duration::MAX, Waker::noop()).is_none());
}

#[tokio::test(start_paused = true)]
async fn timeout_counts_from_last_progress_and_pauses_without() {
    let (timers, begun) = (Timers::default(), Instant::now());
    // Progress at 40 and 130 ms, paused from 150 to 420 ms.
    let since = || match begun.elapsed().as_millis() {
        0..40 => Some(begun),
        40..130 => Some(begun + ms(40)),
        130..150 => Some(begun + ms(130)),
        150..420 => None,
        _ => Some(begun + ms(420)),
    };
    let mut timeout = Timeout::new(ms(100));
    let elapsed =
        poll_fn(|cx| if timeout.poll(&timers, cx, since) { Poll::Ready(()) } else { Poll::Pending });
    elapsed.await;
    assert_eq!(begun.elapsed(), ms(520));
}

#[tokio::test(start_paused = true)]
async fn timeout_of_zero_is_off() {
    let (timers, begun) = (Timers::default(), Instant::now());
    let mut timeout = Timeout::new(Duration::ZERO);
    assert!(!timeout.poll(&timers, &mut Context::from_waker(Waker::noop()), || Some(begun)));
    assert!(timers.queues().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Arm(u64),
    Disarm(usize),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(5), Just(50), Just(500)].prop_map(Step::Arm),
        2 => any::<usize>().prop_map(Step::Disarm),
        2 => (0_u64..200).prop_map(Step::Advance),
    ]
}

proptest! {
    #[test]
    fn timer_any_steps_due_and_woken_once_at_deadline(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        paused().block_on(async {
            let timers = Timers::default();
            let mut live: Vec<(Instant, ArmedTimer, Arc<CountingWaker>)> = Vec::new();
            let mut gone: Vec<(usize, Arc<CountingWaker>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Arm(after) => {
                        let (armed, waker) = arm(&timers, ms(after));
                        live.push((Instant::now() + ms(after), armed, waker));
                    }
                    Step::Disarm(at) if !live.is_empty() => {
                        let (_, _, waker) = live.swap_remove(at % live.len());
                        gone.push((waker.wakes(), waker));
                    }
                    Step::Disarm(_) => {}
                    Step::Advance(by) => {
                        settle().await;
                        advance(ms(by)).await;
                        settle().await;
                    }
                }
                for (deadline, armed, waker) in &live {
                    let over = *deadline <= Instant::now();
                    assert_eq!((armed.has_fired(), waker.wakes()), (over, usize::from(over)));
                }
                assert!(gone.iter().all(|(before, waker)| waker.wakes() == *before));
            }
            drop(live);
            advance(ms(500)).await;
            settle().await;
            assert_eq!(tasks(), 0);
        });
    }
}

/// `cargo test --release -p tower-outbound --lib timer -- --ignored --nocapture`
#[tokio::test]
#[ignore = "prints durations and asserts nothing: run it alone, in release"]
async fn timer_arm_and_disarm_cost() {
    const ROUNDS: u32 = 1_000_000;
    let timers = Timers::default();
    let second = Duration::from_secs(1);
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let time = |what: &str, round: &mut dyn FnMut()| {
        (0..ROUNDS / 10).for_each(|_| round());
        let begun = Instant::now();
        (0..ROUNDS).for_each(|_| round());
        println!("{what}: {:.1} ns", begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    };
    for armed in [0, 1_000, 100_000] {
        let _others: Vec<_> = (0..armed).map(|_| arm(&timers, second)).collect();
        time(&format!("arm and disarm beside {armed}"), &mut || {
            drop(std::hint::black_box(timers.arm(Instant::now(), second, &waker)));
        });
    }
    time("the clock read in it", &mut || {
        std::hint::black_box(Instant::now());
    });
    time("a Sleep, polled once and dropped", &mut || {
        let mut sleep = std::pin::pin!(tokio::time::sleep(second));
        let polled = std::future::Future::poll(sleep.as_mut(), &mut Context::from_waker(&waker));
        assert!(std::hint::black_box(polled).is_pending());
    });
}
