//! Connections that a reset has retired, and whose peers do not answer what they owe: they keep their places from requests that
//! wait.

use std::time::Duration;

use tokio::time::Instant;

use super::link::{Stage, Why};
use super::{Deferred, Pooled, State};
use crate::record::Reset;
use crate::util::list::Key;

/// Connections whose places are needed.
#[derive(Debug)]
pub(in crate::pool) struct Silent<C> {
    /// To be cut now.
    pub(in crate::pool) cut: Vec<C>,
    /// When others will have been silent for long enough.
    pub(in crate::pool) next: Option<Instant>,
}

impl<C: Pooled, E: Clone> State<C, E> {
    /// The connections that a reset has retired and that owe an answer, of origins from which nothing was received for
    /// `silence` and whose requests wait for a place, or whose places another pool wants. None if that is zero.
    pub(in crate::pool) fn silent(&self, silence: Duration, now: Instant, wanted: Option<Key>) -> Silent<C> {
        let mut found = Silent { cut: Vec::new(), next: None };
        if silence.is_zero() || self.draining == 0 {
            return found;
        }
        for origin in self.resetting() {
            let Some((heard, owing)) =
                self.owing(origin).filter(|_| wanted == Some(origin) || self.lacks_place(origin))
            else {
                continue;
            };
            for (unanswered, connection) in owing {
                match heard.max(unanswered).checked_add(silence) {
                    Some(at) if at <= now => found.cut.push(connection),
                    at => found.next = found.next.into_iter().chain(at).min(),
                }
            }
        }
        found
    }

    /// The origins whose busy connections a reset has retired.
    fn resetting(&self) -> Vec<Key> {
        let links = self.links.keys().into_iter().map(|key| self.links.get(key));
        let busy = links.filter(|link| link.retired == Some(Why::Reset) && link.leases > 0);
        let mut origins: Vec<_> = busy.map(|link| link.origin).collect();
        origins.sort_unstable();
        origins.dedup();
        origins
    }

    /// Retires the connections of an origin that was silent for this long, and returns those that owe an answer: they are to be
    /// cut.
    pub(in crate::pool) fn recover(
        &mut self,
        origin: Key,
        silence: Duration,
        now: Instant,
        deferred: &mut Deferred<C>,
    ) -> (Reset, Vec<C>) {
        let reset = self.retire_all(Some(origin), Why::Reset, deferred);
        let owing = self.owing(origin).map(|(_, owing)| owing).unwrap_or_default();
        let long = |unanswered: Instant| now.saturating_duration_since(unanswered) >= silence;
        let cut = owing.into_iter().filter(|(unanswered, _)| long(*unanswered));
        (reset, cut.map(|(_, connection)| connection).collect())
    }

    /// When something was last received from the origin, and its retired connections that owe an answer, each since then.
    /// `None` if that is not known of each of its connections, or there is none such.
    fn owing(&self, origin: Key) -> Option<(Instant, Vec<(Instant, C)>)> {
        let (mut heard, mut owing) = (None, Vec::new());
        for key in self.links.keys() {
            let link = self.links.get(key);
            let Some(connection) = link.connection.as_ref().filter(|_| link.origin == origin) else {
                continue;
            };
            let traffic = connection.traffic()?;
            heard = heard.max(Some(traffic.heard));
            let retired =
                link.retired == Some(Why::Reset) && matches!(link.stage, Stage::Busy | Stage::Shared);
            if let Some(unanswered) = traffic.unanswered.filter(|_| retired && link.leases > 0) {
                owing.push((unanswered, connection.clone()));
            }
        }
        heard.filter(|_| !owing.is_empty()).map(|heard| (heard, owing))
    }

    /// Whether a request waits that gets no place because of the limits, here or at the limit of requests in flight.
    fn lacks_place(&self, origin: Key) -> bool {
        let entry = self.origins.get(origin);
        let at_limit = entry.open >= self.limits.per_origin || !self.has_room();
        let total_wanted = !self.has_room() && self.turns.first().is_some();
        (entry.queued_len > 0 && at_limit) || total_wanted || self.has_slot_waiters(origin)
    }

    fn has_slot_waiters(&self, origin: Key) -> bool {
        self.links.keys().into_iter().any(|key| {
            let link = self.links.get(key);
            let traffic = link.connection.as_ref().filter(|_| link.origin == origin).and_then(C::traffic);
            traffic.is_some_and(|traffic| traffic.slot_wanted)
        })
    }
}
