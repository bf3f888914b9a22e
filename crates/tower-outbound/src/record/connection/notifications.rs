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
}

impl Notifications {
    pub(super) fn push(&mut self, notification: Notification) {
        self.queue.push_back(notification);
    }

    #[cfg(test)]
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Notification> {
        self.queue.drain(..)
    }
}

impl Connection {
    /// Emits what is queued. The thread that comes first also emits what others queue meanwhile.
    pub(super) fn flush_notifications<'a>(&'a self, mut lifecycle: MutexGuard<'a, Lifecycle>) {
        if lifecycle.notifications.flushing {
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
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Method, Uri};
    use tokio::time::Instant;

    use super::*;
    use crate::event::ObserversBuilder;
    use crate::record::{AttemptStart, IoEnd, Protocol, Registry, Setup, UseEvidence};
    use crate::settings::Settings;

    #[tokio::test]
    async fn association_reported_before_close_and_never_after() {
        for closes_first in [false, true] {
            let names = Arc::new(Mutex::new(Vec::new()));
            let seen = names.clone();
            let mut observers = ObserversBuilder::default();
            observers.push(move |event: &Event<'_>| {
                seen.lock().unwrap().push(match event {
                    Event::ConnectionAssigned { .. } => "assigned",
                    Event::ConnectionClosed { .. } => "closed",
                    _ => return,
                });
            });
            let registry = Registry::new(observers.build(), Settings::default());
            let uri = Uri::from_static("http://peer.test/");
            let origin = registry.origin(&uri);
            let attempt = AttemptStart {
                registry: registry.clone(),
                origin: origin.clone(),
                method: Method::GET,
                uri: &uri,
                template: None,
                call: None,
                asks_close: false,
                is_grpc: false,
            }
            .start();
            let (setup, at) = (Setup::start(origin, None, registry.observers().clone()), Instant::now());
            let connection = Connection::open(&registry, setup, None, None, Some(Protocol::Http2), 0, at);
            attempt.0.serving().unreported += 1;

            // Between the two steps of an association no lock is held.
            let (usage, _) = connection.begin_use(&attempt, at, UseEvidence::Named);
            if closes_first {
                connection.io().closed(IoEnd::default(), 0, at);
            }
            connection.report_association(&attempt, usage);
            connection.io().closed(IoEnd::default(), 0, at);

            let expected: &[_] = if closes_first { &["closed"] } else { &["assigned", "closed"] };
            assert_eq!(*names.lock().unwrap(), expected);
            assert_eq!(attempt.0.serving().unreported, 0, "the end of the attempt does not wait");
        }
    }
}
