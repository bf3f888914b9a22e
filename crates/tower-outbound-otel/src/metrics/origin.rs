//! The metrics of one origin.

use std::sync::Arc;

use super::attempt::AttemptMetrics;
use super::attributes::Attributes;
use super::call::CallMetrics;
use super::connect::ConnectMetrics;
use super::connection::ConnectionMetrics;
use super::phase::PhaseMetrics;
use super::rpc::RpcMetrics;
use super::slots::SlotMetrics;

/// Bound instruments of one origin, stored in the origin's record.
#[derive(Debug)]
pub(super) struct OriginMetrics {
    pub(super) attempt: AttemptMetrics,
    pub(super) call: CallMetrics,
    pub(super) connect: ConnectMetrics,
    pub(super) connection: ConnectionMetrics,
    pub(super) phase: PhaseMetrics,
    pub(super) rpc: RpcMetrics,
    pub(super) slots: SlotMetrics,
}

impl OriginMetrics {
    pub(super) fn new(attributes: Attributes) -> Self {
        let attributes = Arc::new(attributes);
        Self {
            attempt: AttemptMetrics::new(Arc::clone(&attributes)),
            call: CallMetrics::new(Arc::clone(&attributes)),
            connect: ConnectMetrics::new(Arc::clone(&attributes)),
            connection: ConnectionMetrics::new(Arc::clone(&attributes)),
            phase: PhaseMetrics::new(Arc::clone(&attributes)),
            rpc: RpcMetrics::new(Arc::clone(&attributes)),
            slots: SlotMetrics::new(attributes),
        }
    }
}
