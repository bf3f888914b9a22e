//! Limits of requests in flight, per origin and in total, with a bounded and fair queue.
//!
//! A *slot* is the right of one request to be in flight; a permit holds one slot until it is dropped. Differences from
//! [`tower::limit::ConcurrencyLimit`](https://docs.rs/tower/latest/tower/limit/struct.ConcurrencyLimit.html):
//!
//! - A slot is held until the response's body ends, not only until its head arrives.
//! - Limits count per origin and in total, and origins that wait for the total take turns.
//! - The queue is bounded, and waiting has a timeout. Both errors name the setting to raise.
//! - A waiting request does not keep the inner service ready.
//!
//! Implementation: `fair_queue` decides who gets a slot, `limiter` puts the queue behind a lock and follows the settings,
//! `acquire` waits and `permit` releases. `tests/schedules` runs these three under a model checker (`--cfg shuttle`).

mod acquire;
mod body;
mod fair_queue;
mod future;
mod layer;
mod limiter;
mod permit;
mod service;
#[cfg(test)]
mod tests;

pub use self::body::InFlightLimitBody;
pub use self::future::InFlightLimitFuture;
pub use self::layer::InFlightLimitLayer;
pub use self::service::InFlightLimit;
pub use crate::error::{PoolTimeoutError, QueueFullError};
