//! [`Step`]: a declared step.

use std::sync::Arc;

/// A step that an operation declares.
///
/// Names and targets become values of metric attributes: declare few targets. A `&'static str` is a step of this name.
///
/// # Example
/// ```
/// use tower_outbound::operation::{Operation, Step};
///
/// let select = Step::new("select").target("INBOX").server_address("imap.example");
/// let operation = Operation::builder("mail").step("login").step(select).step(Step::new("logout").best_effort());
/// # let _ = operation;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step {
    pub(super) name: &'static str,
    pub(super) target: Option<Arc<str>>,
    pub(super) server_address: Option<Arc<str>>,
    pub(super) best_effort: bool,
}

impl Step {
    /// A step of this name. Several steps may have the same name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, target: None, server_address: None, best_effort: false }
    }

    /// What the step acts on, a mailbox for example: `outbound.step.target`. Default: none.
    pub fn target(mut self, target: impl Into<Arc<str>>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// The server that the step talks to: `server.address`. Default: that of the
    /// [operation](crate::operation::OperationBuilder::server_address).
    pub fn server_address(mut self, address: impl Into<Arc<str>>) -> Self {
        self.server_address = Some(address.into());
        self
    }

    /// The outcome of the step does not count for the operation's. Default: it does.
    pub const fn best_effort(mut self) -> Self {
        self.best_effort = true;
        self
    }
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}
