//! The sockets of each origin, counted over all clients of a stack: the limit holds for an old and a new client together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Origin, OwnPool, Registry};

/// How often a connect that waits asks the other clients again: what has become idle there since then gives way.
const TICK: Duration = Duration::from_millis(5);
/// After as many, a pool without a connection asks for one more that is busy: the request on the first one may take long.
const TICKS: usize = 20;

/// The right of one connect and of its connection to be there, under the limit.
#[derive(Debug)]
pub(crate) struct Seat {
    origin: Origin,
    registry: Registry,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.origin.leave_seat();
        self.registry.seat_freed().notify_waiters();
    }
}

impl Registry {
    /// A seat for one more connection to the origin, if there are fewer than the limit. A pool alone has fewer when it connects.
    pub(crate) fn take_seat(&self, origin: &Origin, limit: usize) -> Option<Seat> {
        origin.take_seat(limit).then(|| Seat { origin: origin.clone(), registry: self.clone() })
    }

    /// Waits for a seat. Where several clients have used up the limit, the idle connections of the others close, and one
    /// that is busy is not used again if the asking pool has none.
    ///
    /// `limit` is asked for each try; it is `None` once the seat is not wanted any more.
    pub(crate) async fn seat(
        &self,
        origin: Origin,
        asking: &Arc<dyn OwnPool>,
        limit: impl Fn() -> Option<usize>,
    ) -> Option<Seat> {
        for tick in 0_usize.. {
            let freed = self.seat_freed().notified();
            if let Some(seat) = self.take_seat(&origin, limit()?) {
                return Some(seat);
            }
            let leaving = if asking.has_connection(origin.parts()) { 0 } else { 1 + tick / TICKS };
            for pool in self.own_pools() {
                if !Arc::ptr_eq(&pool, asking) {
                    pool.make_room(origin.parts(), leaving);
                }
            }
            let _ = timeout(TICK, freed).await;
        }
        None
    }
}
