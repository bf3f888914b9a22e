//! The user's own decision.

use std::fmt;
use std::time::Duration;

use http::{Method, Uri};
use tokio::time::Instant;

use crate::event::ResponseHead;
use crate::failure::Failure;
use crate::record::RetryReason;

/// A failed attempt, or the head of a response: what a [`RetryPolicy`] decides by.
#[derive(Clone, Copy, Debug)]
pub struct RetryContext<'a> {
    pub(super) result: Result<ResponseHead<'a>, &'a Failure>,
    pub(super) head: &'a super::head::Head,
    pub(super) ordinal: u32,
    pub(super) elapsed: Duration,
    pub(super) deadline: Option<Instant>,
    pub(super) wanted: Option<RetryReason>,
}

impl<'a> RetryContext<'a> {
    /// The head of the response, or what went wrong.
    ///
    /// # Errors
    /// The failure, where there was no response.
    pub const fn result(&self) -> Result<ResponseHead<'a>, &'a Failure> {
        self.result
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        self.head.method()
    }

    /// Where it went.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        self.head.uri()
    }

    /// 0 for the first attempt of the call, 1 for the first retry.
    #[must_use]
    pub const fn ordinal(&self) -> u32 {
        self.ordinal
    }

    /// Since the call has started.
    #[must_use]
    pub const fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// When the call must be over, if it has a deadline.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Why the layer would send it again by itself; `None` where it would not.
    #[must_use]
    pub const fn wanted(&self) -> Option<RetryReason> {
        self.wanted
    }
}

/// What a [`RetryPolicy`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As the layer would do by itself.
    Default,
    /// The response or error goes to the caller.
    Return,
    /// It is sent again after a backoff.
    Retry,
    /// It is sent again after so long.
    RetryAfter(Duration),
}

/// The user's own decision, in the place of the layer's.
///
/// It is asked for what the layer may send again at all: never for our own refusals, a certificate that was refused, a
/// name of which the resolver says that it does not exist, an invalid request, a failing request body, or a request that
/// was answered before its body was handed over whole. Its retries count, and draw on the request budget. What was sent may have been processed: a
/// policy that sends it again takes that upon itself.
///
/// # Example
/// ```
/// use http::StatusCode;
/// use tower_outbound::Outbound;
/// use tower_outbound::retry::{RetryContext, Verdict};
///
/// let outbound = Outbound::new();
/// let layer = outbound.retry_layer().policy(|attempt: &RetryContext<'_>| {
///     match attempt.result() {
///         Ok(head) if head.status == StatusCode::LOCKED && attempt.ordinal() == 0 => Verdict::Retry,
///         _ => Verdict::Default,
///     }
/// });
/// # let _ = layer;
/// ```
pub trait RetryPolicy: Send + Sync + 'static {
    /// Decides on one attempt; called once for each, before anything of it is released.
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
