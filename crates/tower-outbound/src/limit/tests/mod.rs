//! Unit tests of the limits; the whole stack is tested in `tests/scenarios/in_flight`.

mod cost;
mod fair_queue;
#[cfg(shuttle)]
mod schedules;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;

use crate::event::ObserversBuilder;
use crate::record::Registry;
use crate::settings::{InFlightSettings, StackSettings};

fn registry() -> Registry {
    Registry::new(ObserversBuilder::default().build(), StackSettings::default())
}

/// Zero is no limit of slots.
fn in_flight(per_origin: usize, total: usize, max_queued: usize) -> InFlightSettings {
    InFlightSettings {
        max_in_flight_per_origin: per_origin,
        max_in_flight: total,
        max_queued,
        acquire_timeout: Duration::ZERO,
    }
}

/// A waker that counts.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl CountingWaker {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
