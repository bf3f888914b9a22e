//! The turns against a model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::turns::Turns;
use crate::event::ObserversBuilder;
use crate::record::{Origin, Registry};
use crate::util::list::Key as Place;

fn registry() -> Registry {
    Registry::new(ObserversBuilder::default().build(), crate::settings::Settings::default())
}

fn origins(count: usize) -> Vec<Origin> {
    let registry = registry();
    (0..count).map(|at| registry.origin(&format!("http://{at}.test/").parse().unwrap())).collect()
}

/// Counts how often it is woken.
#[derive(Default)]
pub(super) struct Bell(AtomicUsize);

impl Bell {
    pub(super) fn rung(&self) -> usize {
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
    fn in_flight_limits_hold_and_permits_go_in_turns_fifo(
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
fn in_flight_unused_origins_forgotten_except_last_64() {
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
fn in_flight_origins_without_permit_are_forgotten() {
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
fn in_flight_waiter_memory_freed_when_waiters_leave() {
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
fn in_flight_other_origin_is_next_despite_long_queue() {
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

/// How often the waiters and origins are looked at in each step, while so many wait.
#[cfg(debug_assertions)]
fn visits(waiting: usize, origins: &[Origin]) -> [usize; 6] {
    let mut turns = Turns::new(0, 1, usize::MAX);
    let slot = turns.take(origins.last().unwrap()).0.unwrap();
    let join =
        |turns: &mut Turns, at| turns.join(&origins[at % origins.len()], Waker::noop().clone()).unwrap();
    let queue: Vec<_> = (0..waiting).map(|at| join(&mut turns, at)).collect();
    let (first, middle) = (queue[0], queue[waiting / 2]);
    let mut before = turns.visits();
    let mut seen = |turns: &Turns| turns.visits() - std::mem::replace(&mut before, turns.visits());

    assert_eq!(turns.take(&origins[0]).0, None);
    let finding_none = seen(&turns);
    let _last = join(&mut turns, 0);
    let joining = seen(&turns);
    assert_eq!(turns.look(middle, Waker::noop()).0, None);
    let looking = seen(&turns);
    let _ = turns.leave(middle);
    let leaving = seen(&turns);
    assert!(turns.give_back(slot).granted.is_some());
    let giving_back = seen(&turns);
    assert!(turns.look(first, Waker::noop()).0.is_some());
    [finding_none, joining, looking, leaving, giving_back, seen(&turns)]
}

#[cfg(debug_assertions)]
#[test]
fn in_flight_step_visits_independent_of_queue_length() {
    let one = origins(1);
    let own: Vec<_> = (0..11).flat_map(|_| origins(1_000)).collect();
    // Three, so that the one in the middle has a neighbour on each side.
    assert_eq!(visits(3, &one), visits(10_000, &one), "in one queue");
    assert_eq!(visits(3, &own[..4]), visits(10_000, &own), "at an origin each, and the slot at one more");
}
