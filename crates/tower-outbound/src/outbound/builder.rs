use std::time::Duration;

use super::Outbound;
use crate::connect::Registry;
use crate::event::{Observer, ObserversBuilder};

/// Below the common 60 to 75 s of servers, so that this side closes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Options of an [`Outbound`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct OutboundBuilder {
    observers: ObserversBuilder,
    idle_timeout: Duration,
}

impl OutboundBuilder {
    /// Adds an observer; several add up.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observers.push(observer);
        self
    }

    /// How long an idle connection is kept: 30 s unless set.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// The stack.
    #[must_use]
    pub fn build(self) -> Outbound {
        Outbound { registry: Registry::new(self.observers.build(), self.idle_timeout) }
    }
}

impl Default for OutboundBuilder {
    fn default() -> Self {
        Self { observers: ObserversBuilder::default(), idle_timeout: IDLE_TIMEOUT }
    }
}
