//! Retries of requests that the server provably did not process.
//!
//! # What is retried
//! By default, up to two times, whatever the method:
//! - requests that were not sent. A streaming body is retried too: the client never polled it.
//! - requests that the peer reported as not processed: HTTP/2 `REFUSED_STREAM` and `GOAWAY`. Bodies within
//!   [`replay_up_to`](RetryLayer::replay_up_to) only.
//!
//! On request: responses by [status](RetryLayer::status) or [gRPC status](RetryLayer::grpc), and
//! [idempotent](RetryLayer::idempotent) requests that were sent on a reused connection which then died. A
//! [policy](RetryLayer::policy) can override each decision. [`connect_only`](RetryLayer::connect_only) is stricter than
//! the default.
//!
//! Never retried, even if not sent:
//! - requests that this crate's own limits refused (`pool_timeout`, `queue_full`, `deadline_exceeded`);
//! - TLS failures that would repeat (a refused certificate, no common version);
//! - unknown host names, if the resolver reports them as such (the system's resolver does not);
//! - invalid requests, and failing request bodies;
//! - requests that were answered before their body was sent;
//! - calls that the caller cancelled.
//!
//! # Release before backoff
//! Before the backoff, the failed response is drained within [bounds](RetryLayer::release_within), so that its
//! connection returns to the pool, or else dropped. The retry layer then holds a timer and the stored request only: no
//! response, permit, connection or readied service.
//!
//! # Dead connections
//! A peer that restarts kills all its idle connections. When a reused HTTP/1 connection turns out to be dead before a
//! byte was written, the connections to that peer that were idle at the same time, and have not responded since, are
//! evicted from hyper-util's pool before the retry. Their close reason is `evicted`, unless they were dead as well.
//! Eviction needs a handle to each connection, which the layers request with the connection's first use. Connections
//! without a handle, and those of other clients' pools, are found dead one by one.
//!
//! # Budgets
//! Each origin has two budgets ([`RetryBudget`]): one for retries after failed connects, one for all other retries.
//! Retries after a dead reused connection are free.
//!
//! # Where a retry is decided
//! `rules` proposes a retry, [`policy`](RetryPolicy) may override the proposal, `call` checks the limits and decides,
//! `future` waits and sends. `replay` stores what a retry needs of the request.
//!
//! # Differences from `tower::retry`
//! - `tower::retry` leaves every decision to a `Policy`, and provides no rules. [`RetryLayer`] has rules for HTTP,
//!   based on what was sent; a [`RetryPolicy`] is optional.
//! - `tower::retry` clones the whole request before the first attempt, and does not retry a request that cannot be
//!   cloned. [`RetryLayer`] leases the body to each attempt: a streaming body is retried if it was not polled, or if
//!   what was polled fits a bounded buffer.
//! - `tower::retry` drops the failed response, which closes its HTTP/1 connection unless the body was read to its end.
//!   [`RetryLayer`] drains a short response, so that its connection serves others during the backoff.
//! - The budget of `tower::retry` is a part of the user's policy. [`RetryLayer`] has budgets by default, one pair per
//!   origin.
//! - `tower::retry` returns the error of the last attempt. [`RetryLayer`] adds a [`RetryHistory`], and returns an
//!   unsent request to the caller ([`Error::take_request`](crate::Error::take_request)).
//! - Both require a client that is `Clone`, and clone the client once per request. `tower::retry` calls the client at
//!   once; [`RetryLayer`] calls it at the first poll, so that an attempt does not begin before the caller awaits it.

mod backoff;
mod budget;
mod call;
mod drain;
mod failed_attempts;
mod future;
mod layer;
mod options;
mod policy;
mod replay;
mod report;
mod retry_after;
mod rules;
mod service;
mod shared;
mod single;
#[cfg(test)]
mod tests;

pub use self::future::RetryFuture;
pub use self::layer::RetryLayer;
pub use self::options::RetryOptions;
pub use self::policy::{RetryContext, RetryPolicy, Verdict};
pub use self::replay::{Lease, LeasedBody, PassThrough};
pub use self::service::Retry;
pub use crate::error::{FailedAttempt, RetryHistory};
pub use crate::record::{Release, RetryLimit, RetryReason};
pub use crate::settings::RetryBudget;
