//! [`Ledger`]: what the callers and an observer know, and what must hold of it.

use crate::event::Event;
use crate::record::Origin;
use crate::settings::InFlightSettings;

/// Whether an origin and all origins may hold this many slots. Zero is no limit.
fn allows(settings: &InFlightSettings, of_origin: usize, of_all: usize) -> bool {
    let within = |count, limit| limit == 0 || count <= limit;
    within(of_origin, settings.max_in_flight_per_origin) && within(of_all, settings.max_in_flight)
}

#[derive(Debug)]
pub(super) struct Caller {
    id: usize,
    origin: usize,
    /// Callers that waited for the origin when this one arrived.
    before: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    settings: InFlightSettings,
    callers: usize,
    by_origin: Vec<ByOrigin>,
    /// A wrong event. Recorded, since a panic of an observer is caught.
    wrong: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct ByOrigin {
    /// Callers that wait, know of no slot and are not about to leave.
    waiting: Vec<usize>,
    /// Callers that know of their slot and are not about to release it.
    held: usize,
    gauges: Gauges,
    events: usize,
}

/// The sums of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Gauges {
    held: isize,
    waiting: isize,
    opened: isize,
}

impl Ledger {
    pub(super) fn new(settings: InFlightSettings, origins: usize) -> Self {
        Self { settings, callers: 0, by_origin: vec![ByOrigin::default(); origins], wrong: None }
    }

    pub(super) fn arrive(&mut self, origin: usize) -> Caller {
        self.callers += 1;
        Caller { id: self.callers, origin, before: self.by_origin[origin].waiting.clone() }
    }

    pub(super) fn enqueue(&mut self, caller: &Caller) {
        self.by_origin[caller.origin].waiting.push(caller.id);
    }

    /// The caller waits no more, or is about to leave.
    pub(super) fn leave(&mut self, caller: &Caller) {
        self.by_origin[caller.origin].waiting.retain(|id| *id != caller.id);
    }

    /// The caller holds a slot. So all that waited before hold one too, even if they do not know yet, unless they left.
    pub(super) fn acquire(&mut self, caller: &Caller) {
        self.leave(caller);
        let own = &mut self.by_origin[caller.origin];
        own.held += 1;
        let before = caller.before.iter().filter(|id| own.waiting.contains(id)).count();
        let own = own.held + before;
        let all = self.by_origin.iter().map(|origin| origin.held).sum::<usize>() + before;
        let settings = self.settings;
        assert!(
            allows(&settings, own, all),
            "{own} of the origin and {all} of all hold a slot or were overtaken ({before} came before); {settings:?}"
        );
    }

    pub(super) fn release(&mut self, caller: &Caller) {
        self.by_origin[caller.origin].held -= 1;
    }

    pub(super) fn observe(&mut self, event: &Event<'_>) {
        let (origin, held, waiting, opened) = match event {
            Event::SlotsOpened { origin, .. } => (origin, 0, 0, 1),
            Event::SlotsClosed { origin, .. } => (origin, 0, 0, -1),
            Event::SlotWaiting { origin, .. } => (origin, 0, 1, 0),
            Event::SlotWaited { origin, .. } => (origin, 0, -1, 0),
            Event::SlotTaken { origin, .. } => (origin, 1, 0, 0),
            Event::SlotReturned { origin, .. } => (origin, -1, 0, 0),
            _ => return,
        };
        let own = &mut self.by_origin[Self::index(origin)];
        own.events += 1;
        own.gauges.held += held;
        own.gauges.waiting += waiting;
        own.gauges.opened += opened;
        let Gauges { held, waiting, .. } = own.gauges;
        let all = self.by_origin.iter().map(|origin| origin.gauges.held).sum::<isize>();
        let count = |count| usize::try_from(count).unwrap_or(usize::MAX);
        if waiting < 0 || held < 0 || !allows(&self.settings, count(held), count(all)) {
            self.wrong.get_or_insert(format!("{event:?}: {:?}", self.by_origin));
        }
    }

    fn index(origin: &Origin) -> usize {
        usize::from(origin.port()) - 1
    }

    pub(super) fn end(&self) {
        assert_eq!(self.wrong, None, "an impossible event");
        assert!(self.by_origin.iter().any(|origin| origin.events > 0), "no event");
        for origin in &self.by_origin {
            assert_eq!(
                (origin.held, origin.waiting.len(), origin.gauges),
                (0, 0, Gauges::default()),
                "{:?}",
                self.by_origin
            );
        }
    }
}
