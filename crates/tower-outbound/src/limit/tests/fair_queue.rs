//! The queue against a model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use proptest::prelude::*;

use super::super::fair_queue::{Deferred, FairQueue};
use super::{CountingWaker, in_flight, registry};
use crate::record::Origin;
use crate::util::list::Key;

fn origins(count: usize) -> Vec<Origin> {
    let registry = registry();
    (0..count).map(|at| registry.origin(&format!("http://{at}.test/").parse().unwrap())).collect()
}

fn queue(per_origin: usize, total: usize, max_queued: usize) -> FairQueue {
    FairQueue::new(in_flight(per_origin, total, max_queued).into())
}

struct Waiter {
    id: usize,
    origin: usize,
    key: Key,
    waker: Arc<CountingWaker>,
}

impl Waiter {
    fn is_granted(&self) -> bool {
        self.waker.wakes() > 0
    }
}

/// The expected state: who waits in which order, and who holds a slot.
struct Model {
    queue: FairQueue,
    origins: Vec<Origin>,
    per_origin: usize,
    total: usize,
    max_queued: usize,
    /// By origin, the waiters without a slot.
    waiting: BTreeMap<usize, VecDeque<usize>>,
    /// In the order of arrival; some were granted a slot and not polled since.
    waiters: Vec<Waiter>,
    /// The origin of each slot that was acquired.
    held: Vec<(usize, Key)>,
    /// Slots held above a lowered limit, in total and by origin.
    excess: (usize, Vec<usize>),
    /// By waiting origin with capacity: the origins that were served meanwhile.
    overtaken_by: BTreeMap<usize, BTreeSet<usize>>,
    next_id: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(usize),
    Poll(usize),
    Cancel(usize),
    Release(usize),
    SetLimits(usize, usize),
}

const fn or_max(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

impl Model {
    fn new(per_origin: usize, total: usize, max_queued: usize, origins_count: usize) -> Self {
        Self {
            queue: queue(per_origin, total, max_queued),
            origins: origins(origins_count),
            per_origin: or_max(per_origin),
            total: or_max(total),
            max_queued,
            waiting: BTreeMap::new(),
            waiters: Vec::new(),
            held: Vec::new(),
            excess: (0, vec![0; origins_count]),
            overtaken_by: BTreeMap::new(),
            next_id: 0,
        }
    }

    fn held_by(&self, origin: usize) -> usize {
        let granted =
            self.waiters.iter().filter(|waiter| waiter.origin == origin && waiter.is_granted()).count();
        granted + self.held.iter().filter(|(of, _)| *of == origin).count()
    }

    fn held(&self) -> usize {
        self.held.len() + self.waiters.iter().filter(|waiter| waiter.is_granted()).count()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Arrive(origin) => self.arrive(origin % self.origins.len()),
            Step::Poll(at) if !self.waiters.is_empty() => self.poll(at % self.waiters.len()),
            Step::Cancel(at) if !self.waiters.is_empty() => self.cancel(at % self.waiters.len()),
            Step::Release(at) if !self.held.is_empty() => {
                let (_, key) = self.held.swap_remove(at % self.held.len());
                self.finish(|queue| queue.release(key));
            }
            Step::SetLimits(per_origin, total) => self.set_limits(per_origin, total),
            _ => {}
        }
        self.check();
    }

    fn arrive(&mut self, origin: usize) {
        let free = self.held() < self.total && self.held_by(origin) < self.per_origin;
        let handle = self.origins[origin].clone();
        let (acquired, _) = self.queue.try_acquire(&handle);
        assert_eq!(acquired.is_some(), free, "a free slot is taken at once");
        if let Some(key) = acquired {
            self.held.push((origin, key));
            return;
        }
        let waker = Arc::new(CountingWaker::default());
        let enqueued = self.queue.enqueue(&handle, Arc::clone(&waker).into());
        let waiting = self.waiting.entry(origin).or_default();
        assert_eq!(enqueued.is_ok(), waiting.len() < self.max_queued, "the queue is bounded");
        let Ok(key) = enqueued else { return };
        waiting.push_back(self.next_id);
        self.waiters.push(Waiter { id: self.next_id, origin, key, waker });
        self.next_id += 1;
    }

    fn poll(&mut self, at: usize) {
        let waiter = &self.waiters[at];
        let waker = Arc::clone(&waiter.waker).into();
        let (granted, _) = self.queue.poll_waiter(waiter.key, &waker);
        assert_eq!(granted.is_some(), waiter.is_granted(), "woken and granted are the same");
        if let Some(key) = granted {
            self.held.push((self.waiters.remove(at).origin, key));
        }
    }

    fn cancel(&mut self, at: usize) {
        let waiter = self.waiters.remove(at);
        let wakes = waiter.waker.wakes();
        if wakes == 0 {
            self.waiting.get_mut(&waiter.origin).unwrap().retain(|id| *id != waiter.id);
        }
        self.finish(|queue| queue.cancel(waiter.key).0);
        assert_eq!(waiter.waker.wakes(), wakes, "a cancelled waiter is not woken");
    }

    fn set_limits(&mut self, per_origin: usize, total: usize) {
        (self.per_origin, self.total) = (or_max(per_origin), or_max(total));
        self.excess = (self.held(), (0..self.origins.len()).map(|origin| self.held_by(origin)).collect());
        let granted = self.granted();
        let change = self.queue.set_limits(in_flight(per_origin, total, self.max_queued).into());
        change.granted.into_iter().for_each(Waker::wake);
        for (id, origin) in self.woken_since(&granted) {
            assert_eq!(
                self.waiting.get_mut(&origin).unwrap().pop_front(),
                Some(id),
                "in the order of arrival"
            );
        }
        self.overtaken_by.clear();
    }

    /// The waiters that were granted a slot.
    fn granted(&self) -> BTreeSet<usize> {
        self.waiters.iter().filter(|waiter| waiter.is_granted()).map(|waiter| waiter.id).collect()
    }

    fn woken_since(&self, granted: &BTreeSet<usize>) -> Vec<(usize, usize)> {
        let woken = self.waiters.iter().filter(|waiter| waiter.is_granted() && !granted.contains(&waiter.id));
        woken.map(|waiter| (waiter.id, waiter.origin)).collect()
    }

    /// Does a step that may grant one slot, and checks to whom.
    fn finish(&mut self, step: impl FnOnce(&mut FairQueue) -> Deferred) {
        let granted = self.granted();
        let deferred = step(&mut self.queue);
        if let Some(waker) = deferred.granted {
            waker.wake();
        }
        let woken = self.woken_since(&granted);
        assert!(woken.len() <= 1, "one slot, one waiter");
        for (id, origin) in woken {
            assert_eq!(
                self.waiting.get_mut(&origin).unwrap().pop_front(),
                Some(id),
                "in the order of arrival"
            );
            assert!(self.held() <= self.total && self.held_by(origin) <= self.per_origin);
            self.overtaken_by.remove(&origin);
            for (waiting, served) in &mut self.overtaken_by {
                assert!(served.insert(origin), "{origin} was served twice while {waiting} waited");
            }
        }
    }

    fn check(&mut self) {
        self.excess.0 = self.excess.0.min(self.held());
        assert!(self.held() <= self.total.max(self.excess.0));
        for origin in 0..self.origins.len() {
            let held = self.held_by(origin);
            self.excess.1[origin] = self.excess.1[origin].min(held);
            assert!(held <= self.per_origin.max(self.excess.1[origin]));
            let waits = self.waiting.get(&origin).is_some_and(|waiting| !waiting.is_empty());
            let capacity = held < self.per_origin;
            assert!(!(waits && capacity) || self.held() >= self.total, "a free slot, and a waiter for it");
            if waits && capacity {
                self.overtaken_by.entry(origin).or_default();
            } else {
                self.overtaken_by.remove(&origin);
            }
        }
    }

    fn end(mut self) {
        loop {
            while let Some(at) = self.waiters.iter().position(Waiter::is_granted) {
                self.poll(at);
            }
            let Some((_, key)) = self.held.pop() else { break };
            self.finish(|queue| queue.release(key));
            self.check();
        }
        assert!(self.waiters.is_empty(), "a waiter was never served");
        assert_eq!(self.queue.counts(), (0, 0));
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<usize>().prop_map(Step::Arrive),
        4 => any::<usize>().prop_map(Step::Poll),
        2 => any::<usize>().prop_map(Step::Cancel),
        6 => any::<usize>().prop_map(Step::Release),
        1 => (0_usize..4, 0_usize..6).prop_map(|(per_origin, total)| Step::SetLimits(per_origin, total)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_flight_limits_hold_and_permits_go_in_turns_fifo(
        per_origin in 0_usize..4,
        total in 0_usize..6,
        max_queued in prop_oneof![1 => 0_usize..3, 3 => Just(1000)],
        count in 1_usize..5,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new(per_origin, total, max_queued, count);
        for step in &steps {
            model.step(step);
        }
        model.end();
    }
}

#[test]
fn in_flight_unused_origins_forgotten_except_last_64() {
    let (mut queue, origins) = (queue(1, 0, 0), origins(1_000));
    let mut forgotten = Vec::new();
    for origin in &origins {
        let (acquired, change) = queue.try_acquire(origin);
        assert_eq!(change.opened, Some(1));
        forgotten.extend(change.forgotten);
        forgotten.extend(queue.release(acquired.unwrap()).forgotten);
    }
    let forgotten: Vec<_> = forgotten.into_iter().map(|forgotten| forgotten.origin).collect();
    assert_eq!(forgotten, origins[..1_000 - 64]);
    for origin in &origins[1_000 - 64..] {
        let (acquired, change) = queue.try_acquire(origin);
        assert!(change.opened.is_none() && acquired.is_some());
    }
}

#[test]
fn in_flight_origins_without_permit_are_forgotten() {
    let (mut queue, origins) = (queue(0, 1, 1), origins(1_000));
    let (first, _) = queue.try_acquire(&origins[0]);
    for origin in &origins[1..] {
        assert_eq!(queue.try_acquire(origin).0, None);
        let waiter = queue.enqueue(origin, Waker::noop().clone()).unwrap();
        assert!(queue.enqueue(origin, Waker::noop().clone()).is_err(), "one waits");
        let _ = queue.cancel(waiter);
    }
    assert_eq!(queue.origins_kept(), 65, "64 and the one that holds the slot");
    let _ = queue.release(first.unwrap());
}

#[test]
fn in_flight_waiter_memory_freed_when_waiters_leave() {
    let (mut queue, origins) = (queue(1, 0, usize::MAX), origins(1));
    let (slot, _) = queue.try_acquire(&origins[0]);
    let waiters: Vec<_> =
        (0..10_000).map(|_| queue.enqueue(&origins[0], Waker::noop().clone()).unwrap()).collect();
    assert!(queue.waiter_capacity() >= 10_000);
    waiters.into_iter().for_each(|waiter| drop(queue.cancel(waiter)));
    assert_eq!(queue.waiter_capacity(), 0);
    let _ = queue.release(slot.unwrap());
}

#[test]
fn in_flight_other_origin_is_next_despite_long_queue() {
    let (mut queue, origins) = (queue(0, 2, usize::MAX), origins(2));
    let slots = [queue.try_acquire(&origins[0]).0.unwrap(), queue.try_acquire(&origins[0]).0.unwrap()];
    let enqueue = |queue: &mut FairQueue, origin: usize| {
        let waker = Arc::new(CountingWaker::default());
        (queue.enqueue(&origins[origin], Arc::clone(&waker).into()).unwrap(), waker)
    };
    let many: Vec<_> = (0..10_000).map(|_| enqueue(&mut queue, 0)).collect();
    let (_, one) = enqueue(&mut queue, 1);
    queue.release(slots[0]).granted.unwrap().wake();
    assert_eq!(one.wakes(), 1, "the first origin was served last");
    queue.release(slots[1]).granted.unwrap().wake();
    assert_eq!(many[0].1.wakes(), 1);
}

/// Visits of waiters and origins in each step, with this many waiters.
#[cfg(debug_assertions)]
fn visits(waiting: usize, origins: &[Origin]) -> [usize; 6] {
    let mut queue = queue(0, 1, usize::MAX);
    let slot = queue.try_acquire(origins.last().unwrap()).0.unwrap();
    let enqueue = |queue: &mut FairQueue, at| {
        queue.enqueue(&origins[at % origins.len()], Waker::noop().clone()).unwrap()
    };
    let waiters: Vec<_> = (0..waiting).map(|at| enqueue(&mut queue, at)).collect();
    let (first, middle) = (waiters[0], waiters[waiting / 2]);
    let mut before = queue.visits();
    let mut visited = |queue: &FairQueue| queue.visits() - std::mem::replace(&mut before, queue.visits());

    assert_eq!(queue.try_acquire(&origins[0]).0, None);
    let finding_none = visited(&queue);
    let _last = enqueue(&mut queue, 0);
    let enqueuing = visited(&queue);
    assert_eq!(queue.poll_waiter(middle, Waker::noop()).0, None);
    let polling = visited(&queue);
    let _ = queue.cancel(middle);
    let cancelling = visited(&queue);
    assert!(queue.release(slot).granted.is_some());
    let releasing = visited(&queue);
    assert!(queue.poll_waiter(first, Waker::noop()).0.is_some());
    [finding_none, enqueuing, polling, cancelling, releasing, visited(&queue)]
}

#[cfg(debug_assertions)]
#[test]
fn in_flight_step_visits_independent_of_queue_length() {
    let one = origins(1);
    let own: Vec<_> = (0..11).flat_map(|_| origins(1_000)).collect();
    // Three, so that the middle one has a neighbour on each side.
    assert_eq!(visits(3, &one), visits(10_000, &one), "in one queue");
    assert_eq!(
        visits(3, &own[..4]),
        visits(10_000, &own),
        "one waiter per origin; the slot is another origin's"
    );
}
