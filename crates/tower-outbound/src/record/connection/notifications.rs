//! Emits the events of a connection in order, one at a time, and without a lock held.

use std::collections::VecDeque;
use std::sync::MutexGuard;

use super::close::{CloseReason, Closed};
use super::lifecycle::Lifecycle;
use super::{Connection, Use};
use crate::event::{Event, log};
use crate::record::{Attempt, association_reported};

/// An event that is still to be emitted.
#[derive(Debug)]
pub(super) enum Notification {
    Active,
    /// Report the connection, which is active or idle, to the observers.
    #[cfg_attr(not(feature = "settings"), expect(dead_code, reason = "settings switch observers on"))]
    Late {
        active: bool,
    },
    Assigned(Attempt, Use),
    Idle,
    Retired(CloseReason),
    Closed(Closed),
}

/// The events that are still to be emitted, in order.
#[derive(Debug, Default)]
pub(super) struct Notifications {
    queue: VecDeque<Notification>,
    /// A thread is emitting.
    flushing: bool,
    /// Nobody listens: neither the start nor the end of a use is queued.
    pub(super) unheard: bool,
}

impl Notifications {
    pub(super) fn push(&mut self, notification: Notification) {
        self.queue.push_back(notification);
    }

    /// The connection becomes active, or idle.
    pub(super) fn push_use(&mut self, notification: Notification) {
        if !self.unheard {
            self.push(notification);
        }
    }

    #[cfg(test)]
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Notification> {
        self.queue.drain(..)
    }
}

impl Connection {
    /// Reports the connection to the observers if it was opened while nothing was observed.
    #[cfg(feature = "settings")]
    pub(in crate::record) fn tell_late(&self) {
        let mut lifecycle = self.lifecycle();
        if lifecycle.is_closed() {
            return;
        }
        let active = lifecycle.in_flight > 0;
        lifecycle.notifications.push(Notification::Late { active });
        self.flush_notifications(lifecycle);
    }

    /// Emits what is queued. The thread that comes first also emits what others queue meanwhile.
    pub(super) fn flush_notifications<'a>(&'a self, mut lifecycle: MutexGuard<'a, Lifecycle>) {
        if lifecycle.notifications.flushing || lifecycle.notifications.queue.is_empty() {
            return;
        }
        while let Some(notification) = lifecycle.notifications.queue.pop_front() {
            lifecycle.notifications.flushing = true;
            drop(lifecycle);
            self.notify(&notification);
            lifecycle = self.lifecycle();
        }
        lifecycle.notifications.flushing = false;
    }

    fn notify(&self, notification: &Notification) {
        let registry = &self.0.registry;
        match notification {
            Notification::Active => registry.emit(&Event::ConnectionActive { connection: self }),
            Notification::Assigned(attempt, usage) => {
                registry.emit(&Event::ConnectionAssigned { connection: self, attempt, usage });
                association_reported(attempt);
            }
            Notification::Late { active } => {
                if self.states().set_observed() {
                    registry.emit(&Event::ConnectionOpened { connection: self, late: true });
                    if *active {
                        registry.emit(&Event::ConnectionActive { connection: self });
                    }
                }
            }
            Notification::Idle => registry.emit(&Event::ConnectionIdle { connection: self }),
            Notification::Retired(reason) => {
                let reason = *reason;
                // Logged even where only warnings are logged. The retry that evicts a connection has its own event.
                if reason == CloseReason::Silent {
                    log::retired(self, reason);
                }
                registry.emit(&Event::ConnectionRetired { connection: self, reason });
            }
            Notification::Closed(closed) => {
                registry.emit(&Event::ConnectionClosed { connection: self, closed });
                registry.remove(self);
            }
        }
    }
}

#[cfg(test)]
mod tests;
