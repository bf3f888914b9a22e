//! At most so many requests in flight, per origin and in total; the others wait for their turn.
//!
//! `turns` decides, `permit` puts it under a lock; `schedules` tries that lock with many threads at once, under
//! `--cfg shuttle`.

mod body;
#[cfg(test)]
mod cost;
mod error;
mod future;
mod layer;
mod permit;
mod places;
mod service;
mod sync;
#[cfg(test)]
mod tests;
mod turns;

pub use self::body::InFlightBody;
pub use self::error::{PoolTimeoutError, QueueFullError};
pub use self::future::InFlightFuture;
pub use self::layer::InFlightLimitLayer;
pub(crate) use self::layer::Options as InFlightOptions;
pub use self::service::InFlight;
