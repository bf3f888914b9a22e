//! At most so many requests in flight, per origin and in total; the others wait for their turn.

mod body;
mod error;
mod future;
mod layer;
mod permit;
mod places;
mod service;
#[cfg(test)]
mod tests;
mod turns;

pub use self::body::InFlightBody;
pub use self::error::{PoolTimeoutError, QueueFullError};
pub use self::future::InFlightFuture;
pub use self::layer::InFlightLimitLayer;
pub(crate) use self::layer::Options as InFlightOptions;
pub use self::service::InFlight;
