//! Sends again what was certainly not processed, and holds nothing while it waits.
//!
//! What is decided: `decide` (the rules), `policy` (the user's own), `budget`, `backoff`, `retry_after`. How it is
//! done: `kept` (what the call has room for) with `flat` (headers) and `slot` (the body), which is lent by `lease`; `head`
//! (the rest of the request), `release` (the failed response), `future` (the order).

mod backoff;
mod budget;
mod decide;
mod flat;
mod future;
mod head;
mod kept;
mod layer;
mod lease;
mod options;
mod plan;
mod policy;
mod release;
mod retry_after;
mod service;
mod slot;
mod state;

pub use self::future::RetryFuture;
pub use self::layer::RetryLayer;
pub use self::lease::{Lease, LeasedBody, PassThrough};
pub use self::options::RetryOptions;
pub use self::policy::{RetryContext, RetryPolicy, Verdict};
pub use self::service::Retry;
pub use crate::error::{FailedAttempt, RetryHistory};
pub use crate::record::{Release, RetryLimit, RetryReason};
pub use crate::settings::RetryBudget;
