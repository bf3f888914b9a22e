//! The turns against a model, and what they cost.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use http::{Request, Response};
use proptest::prelude::*;
use tokio::time::Instant;
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::layer::ACQUIRE_TIMEOUT;
use super::permit::{Holder, Limiter, Permit, Wait};
use super::places::Place;
use super::turns::Turns;
use crate::connect::{Origin, Registry};
use crate::event::ObserversBuilder;
use crate::outbound::Outbound;

fn registry() -> Registry {
    Registry::new(ObserversBuilder::default().build(), Duration::from_secs(30))
}

fn origins(count: usize) -> Vec<Origin> {
    let registry = registry();
    (0..count).map(|at| registry.origin(&format!("http://{at}.test/").parse().unwrap())).collect()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Waiter {
    id: usize,
    origin: usize,
    ticket: Place,
    bell: Arc<Bell>,
}

/// What is known to be right: who waits in which order, and who has a slot.
struct Model {
    turns: Turns,
    origins: Vec<Origin>,
    per_origin: usize,
    total: usize,
    max_waiting: usize,
    /// By origin, those without a slot.
    queues: BTreeMap<usize, VecDeque<usize>>,
    /// In the order of their arrival; some have a slot and were not looked at.
    waiters: Vec<Waiter>,
    /// The origin of each slot that somebody knows of.
    held: Vec<(usize, Place)>,
    /// Who was served while an origin waited with room of its own.
    passed: BTreeMap<usize, BTreeSet<usize>>,
    next: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(usize),
    Look(usize),
    Leave(usize),
    GiveBack(usize),
}

impl Model {
    fn new(per_origin: usize, total: usize, max_waiting: usize, origins_count: usize) -> Self {
        Self {
            turns: Turns::new(per_origin, total, max_waiting),
            origins: origins(origins_count),
            per_origin: if per_origin == 0 { usize::MAX } else { per_origin },
            total: if total == 0 { usize::MAX } else { total },
            max_waiting,
            queues: BTreeMap::new(),
            waiters: Vec::new(),
            held: Vec::new(),
            passed: BTreeMap::new(),
            next: 0,
        }
    }

    fn held_by(&self, origin: usize) -> usize {
        let unseen = self.waiters.iter().filter(|one| one.origin == origin && one.bell.rung() > 0).count();
        unseen + self.held.iter().filter(|(of, _)| *of == origin).count()
    }

    fn held(&self) -> usize {
        self.held.len() + self.waiters.iter().filter(|one| one.bell.rung() > 0).count()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Arrive(origin) => self.arrive(origin % self.origins.len()),
            Step::Look(at) if !self.waiters.is_empty() => self.look(at % self.waiters.len()),
            Step::Leave(at) if !self.waiters.is_empty() => self.leave(at % self.waiters.len()),
            Step::GiveBack(at) if !self.held.is_empty() => {
                let (_, place) = self.held.swap_remove(at % self.held.len());
                self.finish(|turns| turns.give_back(place));
            }
            _ => {}
        }
        self.check();
    }

    fn arrive(&mut self, origin: usize) {
        let free = self.held() < self.total && self.held_by(origin) < self.per_origin;
        let handle = self.origins[origin].clone();
        let (place, _) = self.turns.take(&handle);
        assert_eq!(place.is_some(), free, "a free slot is taken at once");
        if let Some(place) = place {
            self.held.push((origin, place));
            return;
        }
        let bell = Arc::new(Bell::default());
        let joined = self.turns.join(&handle, Arc::clone(&bell).into());
        let queue = self.queues.entry(origin).or_default();
        assert_eq!(joined.is_ok(), queue.len() < self.max_waiting, "the queue is bounded");
        let Ok(ticket) = joined else { return };
        queue.push_back(self.next);
        self.waiters.push(Waiter { id: self.next, origin, ticket, bell });
        self.next += 1;
    }

    fn look(&mut self, at: usize) {
        let waiter = &self.waiters[at];
        let waker = Arc::clone(&waiter.bell).into();
        let (place, _) = self.turns.look(waiter.ticket, &waker);
        assert_eq!(place.is_some(), waiter.bell.rung() > 0, "who was woken has a slot, and nobody else");
        if let Some(place) = place {
            self.held.push((self.waiters.remove(at).origin, place));
        }
    }

    fn leave(&mut self, at: usize) {
        let waiter = self.waiters.remove(at);
        let granted = waiter.bell.rung();
        if granted == 0 {
            self.queues.get_mut(&waiter.origin).unwrap().retain(|id| *id != waiter.id);
        }
        self.finish(|turns| turns.leave(waiter.ticket).0);
        assert_eq!(waiter.bell.rung(), granted, "who has left is not woken");
    }

    /// Does a step that may give a slot to somebody, and checks to whom.
    fn finish(&mut self, step: impl FnOnce(&mut Turns) -> super::turns::Left) {
        let before: Vec<_> = self.waiters.iter().map(|waiter| waiter.bell.rung()).collect();
        let left = step(&mut self.turns);
        if let Some(granted) = left.granted {
            granted.wake();
        }
        let woken = self.waiters.iter().zip(before).filter(|(waiter, before)| waiter.bell.rung() > *before);
        let woken: Vec<_> = woken.map(|(waiter, _)| (waiter.id, waiter.origin)).collect();
        assert!(woken.len() <= 1, "one slot, one waiter");
        for (id, origin) in woken {
            assert_eq!(
                self.queues.get_mut(&origin).unwrap().pop_front(),
                Some(id),
                "in the order of arrival"
            );
            self.passed.remove(&origin);
            for (waits, served) in &mut self.passed {
                assert!(served.insert(origin), "{origin} was served twice while {waits} waited");
            }
        }
    }

    fn check(&mut self) {
        assert!(self.held() <= self.total);
        for origin in 0..self.origins.len() {
            let held = self.held_by(origin);
            assert!(held <= self.per_origin);
            let waits = self.queues.get(&origin).is_some_and(|queue| !queue.is_empty());
            let room = held < self.per_origin;
            assert!(!(waits && room) || self.held() == self.total, "somebody waits for a slot that is free");
            if waits && room {
                self.passed.entry(origin).or_default();
            } else {
                self.passed.remove(&origin);
            }
        }
    }

    fn end(mut self) {
        loop {
            while let Some(at) = self.waiters.iter().position(|waiter| waiter.bell.rung() > 0) {
                self.look(at);
            }
            let Some((_, place)) = self.held.pop() else { break };
            self.finish(|turns| turns.give_back(place));
            self.check();
        }
        assert!(self.waiters.is_empty(), "somebody was never served");
        assert_eq!(self.turns.facts(), (0, 0));
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<usize>().prop_map(Step::Arrive),
        2 => any::<usize>().prop_map(Step::Look),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::GiveBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_no_limit_is_passed_and_slots_go_in_turns_to_who_came_first(
        per_origin in 0_usize..4,
        total in 0_usize..6,
        max_waiting in prop_oneof![1 => 0_usize..3, 3 => Just(1000)],
        count in 1_usize..5,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new(per_origin, total, max_waiting, count);
        for step in &steps {
            model.step(step);
        }
        model.end();
    }
}

#[test]
fn origins_that_nobody_uses_are_forgotten_but_for_the_last_64() {
    let (mut turns, origins) = (Turns::new(1, 0, 0), origins(1_000));
    let mut forgotten = Vec::new();
    for origin in &origins {
        let (place, met) = turns.take(origin);
        assert!(met.new);
        forgotten.extend(met.forgotten);
        forgotten.extend(turns.give_back(place.unwrap()).forgotten);
    }
    assert_eq!(forgotten, origins[..1_000 - 64]);
    for origin in &origins[1_000 - 64..] {
        let (place, met) = turns.take(origin);
        assert!(!met.new && place.is_some());
    }
}

#[test]
fn origins_that_only_fail_to_get_a_slot_are_forgotten_too() {
    let (mut turns, origins) = (Turns::new(0, 1, 1), origins(1_000));
    let (first, _) = turns.take(&origins[0]);
    for origin in &origins[1..] {
        assert_eq!(turns.take(origin).0, None);
        let ticket = turns.join(origin, Waker::noop().clone()).unwrap();
        assert!(turns.join(origin, Waker::noop().clone()).is_err(), "one waits");
        let _ = turns.leave(ticket);
    }
    assert_eq!(turns.remembered(), 65, "64 and the one that has the slot");
    let _ = turns.give_back(first.unwrap());
}

#[test]
fn room_for_ten_thousand_waiters_goes_with_them() {
    let (mut turns, origins) = (Turns::new(1, 0, usize::MAX), origins(1));
    let (slot, _) = turns.take(&origins[0]);
    let tickets: Vec<_> =
        (0..10_000).map(|_| turns.join(&origins[0], Waker::noop().clone()).unwrap()).collect();
    assert!(turns.room() >= 10_000);
    tickets.into_iter().for_each(|ticket| drop(turns.leave(ticket)));
    assert_eq!(turns.room(), 0);
    let _ = turns.give_back(slot.unwrap());
}

#[test]
fn one_caller_to_another_origin_is_next_however_many_wait_for_the_first() {
    let (mut turns, origins) = (Turns::new(0, 2, usize::MAX), origins(2));
    let slots = [turns.take(&origins[0]).0.unwrap(), turns.take(&origins[0]).0.unwrap()];
    let join = |turns: &mut Turns, origin: usize| {
        let bell = Arc::new(Bell::default());
        (turns.join(&origins[origin], Arc::clone(&bell).into()).unwrap(), bell)
    };
    let many: Vec<_> = (0..10_000).map(|_| join(&mut turns, 0)).collect();
    let (_, one) = join(&mut turns, 1);
    turns.give_back(slots[0]).granted.unwrap().wake();
    assert_eq!(one.rung(), 1, "the other origin had its turn last");
    turns.give_back(slots[1]).granted.unwrap().wake();
    assert_eq!(many[0].1.rung(), 1);
}

fn limiter(per_origin: usize, timeout: Duration) -> (Arc<Limiter>, Holder) {
    let registry = registry();
    let origin = registry.origin(&"http://peer.test/".parse().unwrap());
    let turns = Turns::new(per_origin, 0, usize::MAX);
    (Arc::new(Limiter::new(registry, turns, timeout)), Holder { origin, exchange: None })
}

/// Nanoseconds per round, in the best of 40 batches: others may use the machine.
fn best(mut round: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 20_000;
    let batch = |_| {
        let begun = Instant::now();
        (0..ROUNDS).for_each(|_| round());
        begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
    };
    (0..40).map(batch).fold(f64::INFINITY, f64::min)
}

/// `cargo test --release -p tower-outbound --lib in_flight -- --ignored --nocapture`
#[tokio::test]
#[ignore = "prints what it takes and asserts nothing: to be run in release and alone"]
async fn what_a_slot_costs() {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let clock = best(|| {
        std::hint::black_box(Instant::now());
    });
    println!("a clock read, to compare: {clock:.1} ns");
    let (free, holder) = limiter(1, ACQUIRE_TIMEOUT);
    let alone = best(|| drop(std::hint::black_box(free.take(holder.clone()).ok())));
    println!("take and give back, nobody else there: {alone:.1} ns");
    for timeout in [Duration::ZERO, ACQUIRE_TIMEOUT] {
        for waiting in [1, 100, 10_000] {
            let (limiter, holder) = limiter(1, timeout);
            let mut held: Option<Permit> = limiter.take(holder.clone()).ok();
            let join = || {
                let mut wait = Wait::new(Arc::clone(&limiter), holder.clone());
                assert!(wait.poll(&mut Context::from_waker(&waker)).is_pending());
                wait
            };
            let mut queue: VecDeque<Wait> = (0..waiting).map(|_| join()).collect();
            let cost = best(|| {
                queue.push_back(join());
                held = None;
                let mut next = queue.pop_front().unwrap();
                let Poll::Ready(Ok(permit)) = next.poll(&mut Context::from_waker(&waker)) else {
                    panic!("it was its turn")
                };
                held = Some(permit);
            });
            println!(
                "join, have it, give it back; {waiting} waiting, acquire timeout {timeout:?}: {cost:.1} ns"
            );
            drop((queue, held));
        }
    }
    // Whatever they wait for, so many calls are so much memory: what that costs shows without a limit.
    for waiting in [1, 100, 10_000] {
        let (with, without) = (whole_call(waiting, true, &waker), whole_call(waiting, false, &waker));
        println!("a whole call beside {waiting}: {with:.1} ns in the queue, {without:.1} ns without a limit");
    }
}

/// A call, observed, that joins so many others which wait, and the end of the one before it.
fn whole_call(waiting: usize, limited: bool, waker: &Waker) -> f64 {
    let outbound =
        Outbound::builder().max_in_flight_per_origin(usize::from(limited)).max_queued(usize::MAX).build();
    let service = outbound.exchange_layer().layer(tower::service_fn(move |request: Request<_>| {
        let (mut waits, mut request) = (!limited, Some(request));
        poll_fn(move |_| {
            if std::mem::take(&mut waits) {
                return Poll::Pending;
            }
            drop(request.take());
            Poll::Ready(Ok::<_, Infallible>(Response::new("ok".to_owned())))
        })
    }));
    let call = || {
        let request = Request::get("http://peer.test/").body(String::new()).unwrap();
        Box::pin(service.clone().call(request))
    };
    let cx = &mut Context::from_waker(waker);
    let mut held = match call().as_mut().poll(cx) {
        Poll::Ready(response) => response.ok(),
        Poll::Pending => None,
    };
    let mut queue: VecDeque<_> = (0..waiting).map(|_| call()).collect();
    queue.iter_mut().for_each(|call| assert!(call.as_mut().poll(cx).is_pending()));
    best(|| {
        let mut last = call();
        assert!(last.as_mut().poll(cx).is_pending());
        queue.push_back(last);
        drop(held.take());
        let Poll::Ready(Ok(next)) = queue.pop_front().unwrap().as_mut().poll(cx) else { panic!("its turn") };
        held = Some(next);
    })
}
