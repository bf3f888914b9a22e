//! The user's own retry decision.

use std::fmt;
use std::time::Duration;

use http::{Method, Uri};
use tokio::time::Instant;

use super::replay::RequestParts;
use crate::event::ResponseHead;
use crate::failure::Failure;
use crate::record::RetryReason;

/// The attempt that a [`RetryPolicy`] decides on: its request, and its failure or the head of its response.
#[derive(Clone, Copy, Debug)]
pub struct RetryContext<'a> {
    pub(super) result: Result<ResponseHead<'a>, &'a Failure>,
    pub(super) parts: &'a RequestParts,
    pub(super) ordinal: u32,
    pub(super) elapsed: Duration,
    pub(super) deadline: Option<Instant>,
    pub(super) default_reason: Option<RetryReason>,
}

impl<'a> RetryContext<'a> {
    /// The head of the response.
    ///
    /// # Errors
    /// The failure of an attempt without a response.
    pub const fn result(&self) -> Result<ResponseHead<'a>, &'a Failure> {
        self.result
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.parts.method()
    }

    /// The request's URI.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.parts.uri()
    }

    /// The ordinal of the attempt: 0 for the first attempt of the call, 1 for the first retry.
    #[must_use]
    pub const fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// The time since the start of the call.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The deadline of the call, if there is one.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The reason for which [`Verdict::Default`] retries; `None` if `Default` returns the result to the caller.
    #[must_use]
    pub const fn default_reason(&self) -> Option<RetryReason> {
        self.default_reason
    }
}

/// The decision of a [`RetryPolicy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Follow the layer's own rules.
    Default,
    /// Return the response or the error to the caller.
    Return,
    /// Retry after a backoff.
    Retry,
    /// Retry after this delay, which may not exceed [`longest_wait`](crate::retry::RetryLayer::longest_wait).
    RetryAfter(Duration),
}

/// Overrides the layer's own decision after an attempt. Closures implement it.
///
/// The layer never asks the policy about a failure that no retry may follow: this crate's own limits, a refused
/// certificate, an unknown host name, an invalid request, a failing request body; nor about a response that arrived
/// before the request's body was sent. Retries of a policy count against
/// [`max_retries`](crate::retry::RetryLayer::max_retries) and draw on the request
/// [`budget`](crate::retry::RetryLayer::budget).
///
/// A policy may retry a request that was sent, which the server then possibly processes twice.
///
/// # Example
/// ```
/// use http::StatusCode;
/// use tower_outbound::Outbound;
/// use tower_outbound::retry::{RetryContext, Verdict};
///
/// let outbound = Outbound::builder()
///     .retry(|retry| {
///         retry.policy(|attempt: &RetryContext<'_>| match attempt.result() {
///             Ok(head) if head.status == StatusCode::LOCKED && attempt.ordinal() == 0 => Verdict::Retry,
///             _ => Verdict::Default,
///         })
///     })
///     .build();
/// # let _ = outbound;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a retry policy",
    note = "a closure names the type of its argument: `|attempt: &tower_outbound::retry::RetryContext<'_>| ..`, and returns a `Verdict`"
)]
pub trait RetryPolicy: Send + Sync + 'static {
    /// Decides on one attempt. Called at most once for each attempt, before its response is drained.
    fn decide(&self, attempt: &RetryContext<'_>) -> Verdict;
}

impl<F: Fn(&RetryContext<'_>) -> Verdict + Send + Sync + 'static> RetryPolicy for F {
    fn decide(&self, attempt: &RetryContext<'_>) -> Verdict {
        self(attempt)
    }
}

impl fmt::Debug for dyn RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryPolicy")
    }
}
