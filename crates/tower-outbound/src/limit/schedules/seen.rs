//! What the callers and an observer have seen, and what must hold of it.

use crate::event::Event;
use crate::record::Origin;

/// Zero is no limit of slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) per_origin: usize,
    pub(super) total: usize,
    pub(super) max_waiting: usize,
}

impl Limits {
    fn allow(&self, own: usize, all: usize) -> bool {
        let within = |count, limit| limit == 0 || count <= limit;
        within(own, self.per_origin) && within(all, self.total)
    }
}

#[derive(Debug)]
pub(super) struct Caller {
    id: usize,
    origin: usize,
    /// Who waited for the origin when it came.
    before: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Seen {
    limits: Limits,
    callers: usize,
    by_origin: Vec<ByOrigin>,
    /// What was wrong in the events: a panic of an observer is told to nobody.
    wrong: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct ByOrigin {
    /// Who was told to wait, knows of no slot and is not about to leave.
    waiting: Vec<usize>,
    /// How many know of their slot and are not about to return it.
    held: usize,
    told: Told,
    told_of: usize,
}

/// The gauges that the events make.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Told {
    held: isize,
    waiting: isize,
    limits: isize,
}

impl Seen {
    pub(super) fn new(limits: Limits, origins: usize) -> Self {
        Self { limits, callers: 0, by_origin: vec![ByOrigin::default(); origins], wrong: None }
    }

    pub(super) fn arrive(&mut self, origin: usize) -> Caller {
        self.callers += 1;
        Caller { id: self.callers, origin, before: self.by_origin[origin].waiting.clone() }
    }

    pub(super) fn join(&mut self, caller: &Caller) {
        self.by_origin[caller.origin].waiting.push(caller.id);
    }

    /// It waits no more, or is about to leave.
    pub(super) fn leave(&mut self, caller: &Caller) {
        self.by_origin[caller.origin].waiting.retain(|id| *id != caller.id);
    }

    /// It has a slot: so all who waited before have one too, know of it or not, if they have not left.
    pub(super) fn take(&mut self, caller: &Caller) {
        self.leave(caller);
        let own = &mut self.by_origin[caller.origin];
        own.held += 1;
        let before = caller.before.iter().filter(|id| own.waiting.contains(id)).count();
        let own = own.held + before;
        let all = self.by_origin.iter().map(|one| one.held).sum::<usize>() + before;
        let limits = self.limits;
        assert!(
            limits.allow(own, all),
            "{own} have a slot of the origin, {all} one of all, or were passed by ({before} came before); {limits:?}"
        );
    }

    pub(super) fn give_back(&mut self, caller: &Caller) {
        self.by_origin[caller.origin].held -= 1;
    }

    pub(super) fn observe(&mut self, event: &Event<'_>) {
        let (origin, held, waiting, limits) = match event {
            Event::SlotsOpened { origin, .. } => (origin, 0, 0, 1),
            Event::SlotsClosed { origin, .. } => (origin, 0, 0, -1),
            Event::SlotWaiting { origin, .. } => (origin, 0, 1, 0),
            Event::SlotWaited { origin, .. } => (origin, 0, -1, 0),
            Event::SlotTaken { origin, .. } => (origin, 1, 0, 0),
            Event::SlotReturned { origin, .. } => (origin, -1, 0, 0),
            _ => return,
        };
        let own = &mut self.by_origin[Self::index(origin)];
        own.told_of += 1;
        own.told.held += held;
        own.told.waiting += waiting;
        own.told.limits += limits;
        let Told { held, waiting, .. } = own.told;
        let all = self.by_origin.iter().map(|one| one.told.held).sum::<isize>();
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        if waiting < 0 || held < 0 || !self.limits.allow(count(held), count(all)) {
            self.wrong.get_or_insert(format!("{event:?}: {:?}", self.by_origin));
        }
    }

    fn index(origin: &Origin) -> usize {
        usize::from(origin.port()) - 1
    }

    pub(super) fn end(&self) {
        assert_eq!(self.wrong, None, "told of what cannot be");
        assert!(self.by_origin.iter().any(|one| one.told_of > 0), "somebody was told");
        for one in &self.by_origin {
            assert_eq!(
                (one.held, one.waiting.len(), one.told),
                (0, 0, Told::default()),
                "{:?}",
                self.by_origin
            );
        }
    }
}
