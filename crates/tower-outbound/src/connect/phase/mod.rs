//! Times one stage of a connect; the setup that it belongs to is found by the poll scope.

mod future;
mod layer;
mod service;

pub use self::future::PhaseFuture;
pub use self::layer::PhaseLayer;
pub use self::service::PhaseTimer;
