//! Failures told apart: what kind of error it was, in which phase.
//!
//! [`Failure::of`] asks types, never messages, wherever a type can be asked; `chain` is the one module that
//! knows the error types of others.

mod chain;
mod failure;
mod kind;

pub(crate) use self::chain::connect_extras;
pub use self::failure::Failure;
pub use self::kind::{Class, Kind};
