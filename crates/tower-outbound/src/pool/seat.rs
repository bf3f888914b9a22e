//! A connect waits for its seat: the limit holds for all pools of a stack together.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Uri;

use super::core::Core;
use crate::record::{Origin, OwnPool, Registry, Seat};
use crate::settings::WhenFull;

/// What came of the wish for a seat.
pub(super) enum Taken {
    Seat(Option<Seat>),
    /// The limit is reached.
    Full(Registry, Origin),
}

impl<B: Send + 'static> Core<B> {
    /// The pool is one of the pools of a stack.
    #[cfg(feature = "client")]
    pub(super) fn join(&self, registry: &Registry) {
        let _ = self.stack.set(registry.clone());
    }

    /// The seat of a connect; `None` where none is needed.
    pub(super) fn take_seat(&self, uri: &Uri) -> Taken {
        let (Some(registry), Some(limit)) = (self.stack.get(), self.shared_limit()) else {
            return Taken::Seat(None);
        };
        let Some(origin) = registry.origin_of(uri) else { return Taken::Seat(None) };
        match registry.take_seat(&origin, limit) {
            Some(seat) => Taken::Seat(Some(seat)),
            None => Taken::Full(registry.clone(), origin),
        }
    }

    /// Waits while other pools of the stack have used up the limit. `None`: the pool has gone meanwhile.
    pub(super) async fn wait_for_seat(self: Arc<Self>, registry: Registry, origin: Origin) -> Option<Seat> {
        let asking = self.clone() as Arc<dyn OwnPool>;
        let limit = || (!self.is_closed()).then(|| self.shared_limit().unwrap_or(usize::MAX));
        registry.seat(origin, &asking, limit).await
    }

    fn is_closed(&self) -> bool {
        self.with(|state, _, _| state.closed())
    }
}

impl<B> Core<B> {
    /// How many connections an origin may have in all pools of the stack together. `None` if the pool has a limit of its own,
    /// or none.
    pub(super) fn shared_limit(&self) -> Option<usize> {
        let settings = self.settings();
        let limit = settings.max_connections_per_origin;
        let shared = self.shares_limit.load(Ordering::Relaxed) && settings.when_full == WhenFull::Wait;
        (shared && limit > 0).then_some(limit)
    }
}
