//! The switch of all observers, for a service in trouble.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Event;
use crate::record::ObserverStates;

/// While it is closed, observers get no start; they get the end of what they know.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// It was closed once. Before, no record is asked.
    used: AtomicBool,
    closed: AtomicBool,
}

impl Gate {
    /// Returns whether it was closed.
    pub(super) fn set(&self, open: bool) -> bool {
        if !open {
            self.used.store(true, Ordering::Relaxed);
        }
        self.closed.swap(!open, Ordering::Relaxed)
    }

    /// Whether observers get the event. What starts while the gate is closed is marked for its life.
    pub(super) fn passes(&self, event: &Event<'_>) -> bool {
        !self.used.load(Ordering::Relaxed) || event.passes(!self.closed.load(Ordering::Relaxed))
    }
}

impl Event<'_> {
    fn passes(&self, open: bool) -> bool {
        let begins = |states: &ObserverStates| {
            if !open {
                states.set_unobserved();
            }
            open
        };
        let known = |states: &ObserverStates| !states.is_unobserved();
        match self {
            Self::CallStarted { call } => begins(call.states()),
            Self::AttemptStarted { attempt, .. } => begins(attempt.states()),
            Self::ConnectStarted { setup, .. } => begins(setup.states()),
            Self::OperationStarted { operation } => begins(operation.states()),
            Self::CallEnded { call, .. }
            | Self::RetryDecided { call, .. }
            | Self::Released { call, .. }
            | Self::BackoffStarted { call, .. }
            | Self::BackoffEnded { call, .. }
            | Self::DeadlineElapsed { call, .. } => known(call.states()),
            Self::AttemptPhase { attempt, .. }
            | Self::AttemptHead { attempt, .. }
            | Self::AttemptEnded { attempt, .. }
            | Self::ConnectionWaiting { attempt, .. }
            | Self::ConnectionWaited { attempt, .. } => known(attempt.states()),
            Self::ConnectPhase { setup, .. }
            | Self::AddressAttempt { setup, .. }
            | Self::ConnectEnded { setup, .. } => known(setup.states()),
            Self::ConnectWasted { setup, attempt } => known(setup.states()) && known(attempt.states()),
            Self::ConnectionOpened { connection, late } => *late || known(connection.setup().states()),
            Self::ConnectionAssigned { connection, attempt, .. }
            | Self::ConnectionStale { connection, attempt } => {
                known(connection.states()) && known(attempt.states())
            }
            Self::ConnectionActive { connection }
            | Self::ConnectionIdle { connection }
            | Self::ConnectionRetired { connection, .. }
            | Self::ConnectionClosed { connection, .. } => known(connection.states()),
            Self::SlotWaiting { attempt, .. }
            | Self::SlotWaited { attempt, .. }
            | Self::SlotTaken { attempt, .. }
            | Self::SlotReturned { attempt, .. } => attempt.is_none_or(|attempt| known(attempt.states())),
            Self::StepStarted { operation, .. }
            | Self::StepEnded { operation, .. }
            | Self::OperationEnded { operation, .. } => known(operation.states()),
            Self::SlotsOpened { .. }
            | Self::SlotsClosed { .. }
            | Self::Reset { .. }
            | Self::Recovered { .. }
            | Self::Reloaded { .. }
            | Self::Misplaced { .. } => true,
        }
    }
}
