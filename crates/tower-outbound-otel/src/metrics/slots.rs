//! What is limited: the slots of requests in flight, and the connections of a pool.

use std::sync::Arc;

use super::attributes::Attributes;
use super::bound::{Bind, BoundUpDownCounter};
use super::cache::Cache;

/// The metrics of slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SlotGauge {
    Limit,
    Usage,
    Waiting,
    /// For a connection.
    WaitingForConnection,
}

#[derive(Debug)]
pub(super) struct SlotMetrics {
    attributes: Arc<Attributes>,
    gauges: Cache<SlotGauge, Option<BoundUpDownCounter<i64>>>,
}

impl SlotMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        Self { attributes, gauges: Cache::default() }
    }

    pub(super) fn change(&self, gauge: SlotGauge, change: i64) {
        let handle = self.gauges.get(gauge, || {
            let Attributes { instruments, .. } = &*self.attributes;
            let instrument = match gauge {
                SlotGauge::Limit => &instruments.slot_limit,
                SlotGauge::Usage => &instruments.slot_usage,
                SlotGauge::Waiting => &instruments.slot_waiting,
                SlotGauge::WaitingForConnection => &instruments.connection_waiting,
            };
            instrument.bound(&self.attributes.outbound([]))
        });
        if let Some(handle) = &*handle {
            handle.add(change);
        }
    }
}
