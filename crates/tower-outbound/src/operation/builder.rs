use std::sync::Arc;

use super::{Operation, Step};
use crate::event::Observers;
use crate::record::{Deadline, Plan};

/// The declaration of an operation; from [`Outbound::operation`](crate::Outbound::operation), or from
/// [`Operation::builder`] without observers. One declaration starts any number of operations.
///
/// # Example
/// ```
/// use tower_outbound::Outbound;
///
/// let probe = Outbound::new()
///     .operation("mail")
///     .server_address("imap.example")
///     .step("login")
///     .each("select", ["INBOX", "Archive"]) // one step per mailbox
///     .best_effort("logout");
/// # let _ = probe;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a declaration does nothing until `start`"]
pub struct OperationBuilder(Plan);

impl OperationBuilder {
    pub(crate) const fn new(name: &'static str, observers: Observers) -> Self {
        Self(Plan { name, server_address: None, steps: Vec::new(), observers })
    }

    /// The server that the steps talk to: `server.address`. Default: none. A [step](Step::server_address) may have its own.
    pub fn server_address(mut self, address: impl Into<Arc<str>>) -> Self {
        self.0.server_address = Some(address.into());
        self
    }

    /// Declares a step: a name, or a [`Step`] with a target.
    pub fn step(mut self, step: impl Into<Step>) -> Self {
        self.0.steps.push(step.into());
        self
    }

    /// Declares a step of this name for each target.
    pub fn each<T: Into<Arc<str>>>(
        mut self,
        name: &'static str,
        targets: impl IntoIterator<Item = T>,
    ) -> Self {
        self.0.steps.extend(targets.into_iter().map(|target| Step::new(name).target(target)));
        self
    }

    /// Declares a step whose outcome does not count for the operation's.
    pub fn best_effort(self, name: &'static str) -> Self {
        self.step(Step::new(name).best_effort())
    }

    /// Starts an operation. Inside of a [scope](Deadline::scope), the earlier deadline counts.
    #[must_use]
    pub fn start(&self, deadline: Deadline) -> Operation {
        self.0.start(deadline)
    }
}

impl Operation {
    /// Declares an operation without observers: it has its report, and logs.
    pub fn builder(name: &'static str) -> OperationBuilder {
        OperationBuilder::new(name, Observers::default())
    }
}
