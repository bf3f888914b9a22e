//! The state that a retry layer shares with its clones and services.

use std::sync::Arc;

use tokio::time::Instant;

use super::RetryPolicy;
use super::backoff::Jitter;
use super::budget::TokenBucket;
use super::rules::BudgetKind;
use crate::record::{ObserverKey, Origin, Registry, RetryLimit};
use crate::settings::RetrySettings;

/// The state that a retry layer shares with its clones and services: options, budgets, randomness and policy.
#[derive(Debug)]
pub(super) struct RetryShared {
    registry: Registry,
    /// The options of this layer; `None` if the layer follows the settings of its `Outbound`.
    options: Option<Arc<RetrySettings>>,
    pub(super) jitter: Jitter,
    pub(super) policy: Option<Arc<dyn RetryPolicy>>,
    budgets: ObserverKey<Budgets>,
}

/// The two budgets of one origin.
#[derive(Debug, Default)]
struct Budgets {
    connect: TokenBucket,
    request: TokenBucket,
}

impl RetryShared {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, options: None, jitter: Jitter::new(), policy: None, budgets: ObserverKey::new() }
    }

    /// A copy with budgets of its own.
    pub(super) fn fork(&self) -> Self {
        Self {
            registry: self.registry.clone(),
            options: self.options.clone(),
            jitter: self.jitter.fork(),
            policy: self.policy.clone(),
            budgets: ObserverKey::new(),
        }
    }

    /// Follows the settings of the registry from now on.
    pub(super) fn attach(&mut self, registry: Registry) {
        (self.registry, self.options) = (registry, None);
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The settings that hold now. Each call reads them once, when it starts.
    pub(super) fn settings(&self) -> Arc<RetrySettings> {
        match &self.options {
            Some(options) => options.clone(),
            None => self.registry.settings().retry.clone(),
        }
    }

    /// Changes the options of this layer, which no longer follows its `Outbound`.
    pub(super) fn set(&mut self, change: impl FnOnce(&mut RetrySettings)) {
        let mut options = self.settings();
        change(Arc::make_mut(&mut options));
        self.options = Some(options);
    }

    /// Draws on a budget of the origin.
    pub(super) fn withdraw(
        &self,
        settings: &RetrySettings,
        kind: BudgetKind,
        origin: &Origin,
    ) -> Result<(), RetryLimit> {
        let withdraw = |bucket: fn(&Budgets) -> &TokenBucket, budget, limit| {
            let budgets = origin.observer_state_or_init(&self.budgets, Budgets::default);
            let granted = bucket(budgets).withdraw(budget, origin.calls(), Instant::now());
            if granted { Ok(()) } else { Err(limit) }
        };
        match kind {
            BudgetKind::Free => Ok(()),
            BudgetKind::Connect => {
                withdraw(|budgets| &budgets.connect, settings.connect_budget, RetryLimit::ConnectBudget)
            }
            BudgetKind::Request => withdraw(|budgets| &budgets.request, settings.budget, RetryLimit::Budget),
        }
    }
}
