//! The queues under the paused clock, and what they cost.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::{Instant, advance};

use super::queue::Armed;
use super::{Limit, Timers};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn arm(timers: &Timers, after: Duration) -> (Armed, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    (timers.arm(Instant::now(), after, &Waker::from(bell.clone())).unwrap(), bell)
}

async fn due(armed: &Armed) {
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
    let (first, bell) = arm(&timers, ms(100));
    advance(ms(60)).await;
    let (second, _) = arm(&timers, ms(100));
    advance(ms(39)).await;
    settle().await;
    assert_eq!((first.is_due(), bell.rung()), (false, 0));
    due(&first).await;
    assert_eq!(begun.elapsed(), ms(100));
    due(&second).await;
    assert_eq!(begun.elapsed(), ms(160));
}

#[tokio::test(start_paused = true)]
async fn timer_disarmed_wakes_no_task_and_frees_memory() {
    let timers = Timers::default();
    let (kept, _) = arm(&timers, ms(100));
    let bells: Vec<_> = (0..1_000).map(|_| arm(&timers, ms(100)).1).collect();
    let [queue] = timers.queues().try_into().unwrap();
    let (taken, room, _) = queue.facts();
    assert!(taken == 1 && room <= 8, "{taken} taken of {room}");
    due(&kept).await;
    assert_eq!(bells.iter().map(|bell| bell.rung()).sum::<usize>(), 0);
}

#[tokio::test(start_paused = true)]
async fn timer_task_serves_100000_and_ends_after_last() {
    const MANY: usize = 100_000;
    let timers = Timers::default();
    let armed: Vec<_> = (0..MANY).map(|_| arm(&timers, ms(100))).collect();
    settle().await;
    assert_eq!(tasks(), 1);
    due(&armed[MANY - 1].0).await;
    // The one that was waited for has the waiter's waker instead of its bell.
    assert_eq!(armed.iter().map(|(_, bell)| bell.rung()).sum::<usize>(), MANY - 1);
    assert!(armed.iter().all(|(armed, _)| armed.is_due()));
    settle().await;
    assert_eq!(tasks(), 0);
    drop(armed);
    let [queue] = timers.queues().try_into().unwrap();
    assert_eq!(queue.facts(), (0, 0, false), "no room is kept, and no task runs");
}

#[tokio::test(start_paused = true)]
async fn timer_task_ends_when_idle_and_restarts_when_armed() {
    let timers = Timers::default();
    for _ in 0..3 {
        let (armed, _) = arm(&timers, ms(100));
        settle().await;
        drop(armed);
        settle().await;
        assert_eq!(tasks(), 1, "it stays until the first would have been due");
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
    assert_eq!(tasks(), 1, "one that is armed still counts");
    drop(armed);
    settle().await;
    assert_eq!(tasks(), 0);
}

#[test]
fn timer_queues_are_separate_per_runtime() {
    let timers = Timers::default();
    let (idle, other) = (paused(), paused());
    let (left, bell) = idle.block_on(async {
        let left = arm(&timers, ms(100));
        settle().await;
        left
    });
    // The first runtime is there, but nobody runs it.
    other.block_on(async { due(&arm(&timers, ms(100)).0).await });
    assert_eq!((timers.queues().len(), left.is_due(), bell.rung()), (2, false, 0));
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
    assert!(!timers.queues()[0].facts().2, "nothing drives it any more");
    // The clock of the other one starts anew, perhaps behind.
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
                    // Some are disarmed, some before the task that wakes them has run.
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
        assert_eq!(timers.queues()[0].facts().0, 0);
    });
}

#[test]
fn timeout_without_runtime_never_fires() {
    let timers = Timers::default();
    assert!(timers.arm(Instant::now(), ms(1), Waker::noop()).is_none());
    let mut limit = Limit::new(ms(1));
    assert!(!limit.poll(&timers, &mut Context::from_waker(Waker::noop()), || Some(Instant::now())));
}

#[tokio::test(start_paused = true)]
async fn timer_unused_durations_are_bounded() {
    let timers = Timers::default();
    let (kept, _) = arm(&timers, ms(20_000));
    for at in 1..10_000 {
        drop(arm(&timers, ms(at)));
    }
    assert!(timers.queues().len() <= 65, "{} queues", timers.queues().len());
    // The runtime comes back here after some tens of tasks.
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
    // Milliseconds since the beginning: progress at 40 and 130, none counts from 150 to 420.
    let since = || match begun.elapsed().as_millis() {
        0..40 => Some(begun),
        40..130 => Some(begun + ms(40)),
        130..150 => Some(begun + ms(130)),
        150..420 => None,
        _ => Some(begun + ms(420)),
    };
    let mut limit = Limit::new(ms(100));
    let hit = poll_fn(|cx| if limit.poll(&timers, cx, since) { Poll::Ready(()) } else { Poll::Pending });
    hit.await;
    assert_eq!(begun.elapsed(), ms(520));
}

#[tokio::test(start_paused = true)]
async fn timeout_of_zero_is_off() {
    let (timers, begun) = (Timers::default(), Instant::now());
    let mut limit = Limit::new(Duration::ZERO);
    assert!(!limit.poll(&timers, &mut Context::from_waker(Waker::noop()), || Some(begun)));
    assert_eq!((timers.queues().len(), limit.is_over(begun)), (0, false));
}

#[tokio::test(start_paused = true)]
async fn timeout_never_polled_is_over_in_time() {
    let (begun, limit) = (Instant::now(), Limit::new(ms(100)));
    advance(ms(99)).await;
    assert!(!limit.is_over(begun));
    advance(ms(1)).await;
    assert!(limit.is_over(begun));
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
            let mut live: Vec<(Instant, Armed, Arc<Bell>)> = Vec::new();
            let mut gone: Vec<(usize, Arc<Bell>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Arm(after) => {
                        let (armed, bell) = arm(&timers, ms(after));
                        live.push((Instant::now() + ms(after), armed, bell));
                    }
                    Step::Disarm(at) if !live.is_empty() => {
                        let (_, _, bell) = live.swap_remove(at % live.len());
                        gone.push((bell.rung(), bell));
                    }
                    Step::Disarm(_) => {}
                    Step::Advance(by) => {
                        settle().await;
                        advance(ms(by)).await;
                        settle().await;
                    }
                }
                for (deadline, armed, bell) in &live {
                    let over = *deadline <= Instant::now();
                    assert_eq!((armed.is_due(), bell.rung()), (over, usize::from(over)));
                }
                assert!(gone.iter().all(|(before, bell)| bell.rung() == *before));
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
#[ignore = "prints what it takes and asserts nothing: to be run in release and alone"]
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
