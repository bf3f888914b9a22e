//! At most so many requests in flight, per origin and in total; the others wait for their turn.
//!
//! `turns` decides, `permit` puts it under a lock; `schedules` tries that lock with many threads at once, under
//! `--cfg shuttle`.

mod body;
#[cfg(test)]
mod cost;
mod future;
mod layer;
mod permit;
mod service;
mod sync;
#[cfg(test)]
mod tests;
mod turns;

pub use self::body::InFlightLimitBody;
pub use self::future::InFlightLimitFuture;
pub use self::layer::InFlightLimitLayer;
pub use self::service::InFlightLimit;
pub use crate::error::{PoolTimeoutError, QueueFullError};
