//! Times one phase of a connect, or a whole connect.
//!
//! The setup that the phase belongs to is the one whose poll is running on this thread.

mod future;
mod layer;
mod service;

pub use self::future::PhaseFuture;
pub use self::layer::PhaseLayer;
pub use self::service::PhaseTimer;
