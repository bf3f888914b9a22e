//! What a retry layer and its services share.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::budget::Account;
use super::decide::{Cost, Rules};
use super::release::{self, Bounds};
use super::{RetryBudget, RetryLimit, RetryPolicy};
use crate::connect::{Origin, Registry};
use crate::exchange::Slot;

/// How many times a request is sent again unless set.
const RESENDS: u32 = 2;
/// How much of a request's body is kept unless set.
const REPLAY: usize = 64 * 1024;
/// The longest wait that a peer may ask for unless set.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) registry: Registry,
    pub(super) rules: Rules,
    pub(super) resends: u32,
    pub(super) replay: usize,
    pub(super) longest_wait: Duration,
    pub(super) bounds: Bounds,
    pub(super) backoff: Backoff,
    pub(super) connect_budget: RetryBudget,
    pub(super) budget: RetryBudget,
    pub(super) attempt_header: Option<HeaderName>,
    pub(super) policy: Option<Arc<dyn RetryPolicy>>,
    pub(super) accounts: Slot<Accounts>,
}

/// What is left of the two budgets of one origin.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    connect: Account,
    request: Account,
}

impl Settings {
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            registry,
            rules: Rules::default(),
            resends: RESENDS,
            replay: REPLAY,
            longest_wait: LONGEST_WAIT,
            bounds: Bounds { bytes: release::BYTES, time: release::TIME },
            backoff: Backoff::new(),
            connect_budget: RetryBudget::new(),
            budget: RetryBudget::new(),
            attempt_header: None,
            policy: None,
            accounts: Slot::new(),
        }
    }

    /// Draws on the budget of the origin.
    pub(super) fn draw(&self, cost: Cost, origin: &Origin) -> Result<(), RetryLimit> {
        let draw = |account: fn(&Accounts) -> &Account, budget, limit| {
            let accounts = origin.slot_or_init(&self.accounts, Accounts::default);
            if account(accounts).draw(budget, origin.calls(), Instant::now()) { Ok(()) } else { Err(limit) }
        };
        match cost {
            Cost::Free => Ok(()),
            Cost::Connect => draw(|all| &all.connect, self.connect_budget, RetryLimit::ConnectBudget),
            Cost::Request => draw(|all| &all.request, self.budget, RetryLimit::Budget),
        }
    }
}

impl Settings {
    /// The same, with budgets of its own.
    pub(super) fn fork(&self) -> Self {
        Self {
            registry: self.registry.clone(),
            rules: self.rules.clone(),
            backoff: self.backoff.fork(),
            attempt_header: self.attempt_header.clone(),
            policy: self.policy.clone(),
            accounts: Slot::new(),
            ..*self
        }
    }
}
