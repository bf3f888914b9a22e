//! What a retry layer and its services share.

use std::sync::Arc;

use tokio::time::Instant;

use super::RetryPolicy;
use super::backoff::Jitter;
use super::budget::Account;
use super::decide::Cost;
use crate::record::{ObserverKey, Origin, RetryLimit};
use crate::settings::RetrySettings;

/// The state of retries, apart from their options: what is left of the budgets, the randomness of the backoff, the
/// user's policy.
#[derive(Debug)]
pub(super) struct RetryState {
    pub(super) jitter: Jitter,
    pub(super) policy: Option<Arc<dyn RetryPolicy>>,
    accounts: ObserverKey<Accounts>,
}

/// What is left of the two budgets of one origin.
#[derive(Debug, Default)]
struct Accounts {
    connect: Account,
    request: Account,
}

impl RetryState {
    pub(super) fn new() -> Self {
        Self { jitter: Jitter::new(), policy: None, accounts: ObserverKey::new() }
    }

    /// The same, with budgets of its own.
    pub(super) fn fork(&self) -> Self {
        Self { jitter: self.jitter.fork(), policy: self.policy.clone(), accounts: ObserverKey::new() }
    }

    /// Draws on the budget of the origin.
    pub(super) fn draw(
        &self,
        settings: &RetrySettings,
        cost: Cost,
        origin: &Origin,
    ) -> Result<(), RetryLimit> {
        let draw = |account: fn(&Accounts) -> &Account, budget, limit| {
            let accounts = origin.observer_state_or_init(&self.accounts, Accounts::default);
            if account(accounts).draw(budget, origin.calls(), Instant::now()) { Ok(()) } else { Err(limit) }
        };
        match cost {
            Cost::Free => Ok(()),
            Cost::Connect => draw(|all| &all.connect, settings.connect_budget, RetryLimit::ConnectBudget),
            Cost::Request => draw(|all| &all.request, settings.budget, RetryLimit::Budget),
        }
    }
}
