//! The instrument `crowd`: the pool under many callers.
//!
//! - [`callers`]: many callers on few connections wait in their order, and keep no other origin waiting.
//! - [`resets`]: resets under load fail no request.
//! - [`closing`]: a peer closes connections at the moment when they are taken, and no call hangs.
//! - [`idle`]: what thousands of idle connections cost.

mod callers;
mod cli;
mod closing;
mod idle;
mod peer;
mod resets;

pub use callers::{Callers, callers};
pub use cli::run;
pub use closing::{Closed, closing};
pub use idle::{Client, Idle, idle};
pub use resets::{PoolOf, Protocol, Resets, resets};
