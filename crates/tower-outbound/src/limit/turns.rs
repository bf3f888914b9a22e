//! Who has a slot and whose turn is next: the bookkeeping, without locks, futures or events.
//!
//! One slot is a permit of its origin and one of the total, given at once, so that a waiter holds neither. An
//! origin that is at its own limit takes no part in the total; among the others the total goes round. Whenever
//! nobody has the lock, no slot is free that somebody waits for: so whoever finds one free passes nobody by,
//! and a slot that is given back goes to one waiter at most.

use std::task::Waker;

use hashbrown::HashMap;

use crate::error::Occupancy;
use crate::record::Origin;
use crate::util::list::{Key as Place, List, Slab as Places};

/// Origins that are remembered with nothing in flight and nobody waiting; one in a model that knows but three.
const IDLE_KEPT: usize = if cfg!(all(test, shuttle)) { 1 } else { 64 };

#[derive(Debug)]
pub(super) struct Turns {
    per_origin: usize,
    total: usize,
    max_waiting: usize,
    held: usize,
    origins: Places<Entry>,
    /// By the address of the origin's record, which the entry keeps.
    by_address: HashMap<usize, Place>,
    tickets: Places<Ticket>,
    waiting: usize,
    /// Origins that have a waiter and room of their own, in the order of their turns.
    round: List,
    /// Had the last turn: it stands behind those who come before the next one.
    served: Option<Place>,
    idle: List,
    idle_count: usize,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    held: usize,
    waiting: usize,
    queue: List,
    seat: Seat,
}

/// In which list an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    None,
    Round,
    Idle,
}

/// One that waits, or that has a slot and does not know it yet.
#[derive(Debug)]
struct Ticket {
    /// None once it has a slot.
    waker: Option<Waker>,
    entry: Place,
}

/// What a step leaves to be done without the lock.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Left {
    /// To be woken: it has a slot now.
    pub(super) granted: Option<Waker>,
    /// To be dropped, since a waker may own a task.
    pub(super) dropped: Option<Waker>,
    /// Is remembered no more.
    pub(super) forgotten: Option<Origin>,
}

/// What has become of the origins that are remembered.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Met {
    /// The origin was not remembered.
    pub(super) new: bool,
    /// Another one is remembered no more.
    pub(super) forgotten: Option<Origin>,
}

impl Turns {
    /// Zero is no limit of slots; with `max_waiting` zero nobody waits.
    pub(super) fn new(per_origin: usize, total: usize, max_waiting: usize) -> Self {
        let or_none = |limit| if limit == 0 { usize::MAX } else { limit };
        Self {
            per_origin: or_none(per_origin),
            total: or_none(total),
            max_waiting,
            held: 0,
            origins: Places::new(),
            by_address: HashMap::new(),
            tickets: Places::new(),
            waiting: 0,
            round: List::new(),
            served: None,
            idle: List::new(),
            idle_count: 0,
        }
    }

    /// How many an origin may have at most.
    pub(super) fn limit(&self) -> usize {
        self.per_origin.min(self.total)
    }

    /// Takes a slot if one is free.
    pub(super) fn take(&mut self, origin: &Origin) -> (Option<Place>, Met) {
        let (at, met) = self.meet(origin);
        if !self.has_room(at) || self.held >= self.total {
            return (None, met);
        }
        debug_assert_eq!(self.origins.get(at).waiting, 0, "nobody is passed by");
        self.unseat(at);
        self.give(at);
        (Some(at), met)
    }

    /// Joins the origin's queue, to be called where [`take`](Self::take) has found nothing; an error where it is full.
    pub(super) fn join(&mut self, origin: &Origin, waker: Waker) -> Result<Place, Occupancy> {
        let (at, _) = self.meet(origin);
        if self.origins.get(at).waiting >= self.max_waiting {
            return Err(self.crowd(at));
        }
        if self.origins.get(at).seat == Seat::Idle {
            self.unseat(at);
        }
        let ticket = self.tickets.insert(Ticket { waker: Some(waker), entry: at });
        let entry = self.origins.get_mut(at);
        self.tickets.push_back(&mut entry.queue, ticket);
        entry.waiting += 1;
        self.waiting += 1;
        self.seat(at);
        Ok(ticket)
    }

    /// Whether the ticket has a slot by now, and it is used up; if not, this one is woken then.
    pub(super) fn look(&mut self, ticket: Place, waker: &Waker) -> (Option<Place>, Option<Waker>) {
        let found = self.tickets.get_mut(ticket);
        match &mut found.waker {
            None => (Some(self.tickets.remove(ticket).entry), None),
            Some(known) if known.will_wake(waker) => (None, None),
            Some(known) => (None, Some(std::mem::replace(known, waker.clone()))),
        }
    }

    /// Gives up a ticket; a slot that it had goes on. Says how full it is for those who still wait.
    pub(super) fn leave(&mut self, ticket: Place) -> (Left, Occupancy) {
        let found = self.tickets.get_mut(ticket);
        let (waker, at) = (found.waker.take(), found.entry);
        if waker.is_none() {
            self.tickets.remove(ticket);
            let left = self.give_back(at);
            return (left, self.crowd(at));
        }
        let entry = self.origins.get_mut(at);
        self.tickets.unlink(&mut entry.queue, ticket);
        self.tickets.remove(ticket);
        entry.waiting -= 1;
        self.waiting -= 1;
        if entry.waiting == 0 && entry.seat == Seat::Round {
            self.unseat(at);
        }
        let forgotten = self.rest(at);
        (Left { dropped: waker, forgotten, granted: None }, self.crowd(at))
    }

    /// Gives a slot back; it goes to whose turn it is.
    pub(super) fn give_back(&mut self, at: Place) -> Left {
        self.origins.get_mut(at).held -= 1;
        self.held -= 1;
        self.seat(at);
        let granted = self.grant();
        Left { granted, forgotten: self.rest(at), dropped: None }
    }

    /// Forgets all origins: nobody is there any more.
    pub(super) fn forget_all(&mut self) -> impl Iterator<Item = Origin> {
        let places = std::mem::take(&mut self.by_address).into_values();
        places.map(|at| self.origins.remove(at).origin)
    }

    fn crowd(&self, at: Place) -> Occupancy {
        let entry = self.origins.get(at);
        if self.has_room(at) {
            return Occupancy { own: false, held: self.held, limit: self.total, waiting: self.waiting };
        }
        Occupancy { own: true, held: entry.held, limit: self.per_origin, waiting: entry.waiting }
    }

    /// The entry of an origin; a new one rests.
    fn meet(&mut self, origin: &Origin) -> (Place, Met) {
        let address = origin.address();
        if let Some(at) = self.by_address.get(&address) {
            return (*at, Met::default());
        }
        let entry =
            Entry { origin: origin.clone(), held: 0, waiting: 0, queue: List::new(), seat: Seat::None };
        let at = self.origins.insert(entry);
        self.by_address.insert(address, at);
        (at, Met { new: true, forgotten: self.rest(at) })
    }

    fn has_room(&self, at: Place) -> bool {
        self.origins.get(at).held < self.per_origin
    }

    fn give(&mut self, at: Place) {
        self.origins.get_mut(at).held += 1;
        self.held += 1;
        self.served = Some(at);
    }

    /// Gives a free slot to whose turn it is.
    fn grant(&mut self) -> Option<Waker> {
        if self.held >= self.total {
            return None;
        }
        let at = self.next_turn()?;
        self.unseat(at);
        let entry = self.origins.get_mut(at);
        let ticket = self.tickets.pop_front(&mut entry.queue).expect("only those with waiters have a seat");
        entry.waiting -= 1;
        self.waiting -= 1;
        self.give(at);
        self.tickets.get_mut(ticket).waker.take()
    }

    /// Who is next; whoever was served last goes behind those who have come since.
    fn next_turn(&mut self) -> Option<Place> {
        if let Some(served) = self.served.take() {
            self.seat(served);
        }
        self.round.first()
    }

    /// Lets an origin take part in the round if it can.
    fn seat(&mut self, at: Place) {
        let room = self.has_room(at) && self.served != Some(at);
        let entry = self.origins.get_mut(at);
        if room && entry.waiting > 0 && entry.seat == Seat::None {
            entry.seat = Seat::Round;
            self.origins.push_back(&mut self.round, at);
        }
    }

    fn unseat(&mut self, at: Place) {
        match std::mem::replace(&mut self.origins.get_mut(at).seat, Seat::None) {
            Seat::None => {}
            Seat::Round => self.origins.unlink(&mut self.round, at),
            Seat::Idle => {
                self.idle_count -= 1;
                self.origins.unlink(&mut self.idle, at);
            }
        }
    }

    /// Lets an origin rest if nothing is to be done for it; returns one that has rested for too long.
    fn rest(&mut self, at: Place) -> Option<Origin> {
        let entry = self.origins.get_mut(at);
        if entry.held > 0 || entry.waiting > 0 {
            return None;
        }
        debug_assert_eq!(entry.seat, Seat::None, "nobody waits");
        entry.seat = Seat::Idle;
        self.origins.push_back(&mut self.idle, at);
        self.idle_count += 1;
        if self.served == Some(at) {
            self.served = None;
        }
        if self.idle_count <= IDLE_KEPT {
            return None;
        }
        let oldest = self.idle.first()?;
        self.unseat(oldest);
        let origin = self.origins.remove(oldest).origin;
        self.by_address.remove(&origin.address());
        Some(origin)
    }

    /// Slots held, and tickets.
    #[cfg(test)]
    pub(super) fn facts(&self) -> (usize, usize) {
        (self.held, self.tickets.len())
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.origins.len()
    }

    /// How many tickets there is room for.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.tickets.capacity()
    }

    /// How often a waiter or an origin was looked at or moved.
    #[cfg(all(test, debug_assertions))]
    pub(super) fn visits(&self) -> usize {
        self.tickets.visits() + self.origins.visits()
    }
}
