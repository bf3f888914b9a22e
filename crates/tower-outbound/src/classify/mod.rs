//! Failures told apart: what kind of error it was, and in which phase.
//!
//! [`Failure::of`] asks types, never messages, wherever a type can be asked. `chain` walks the levels of an
//! error and weighs what they say; `own` knows our errors, `foreign` is the one module that knows those of
//! others. The kinds are told in [`docs::failures`](crate::docs::failures).

mod chain;
mod detail;
mod failure;
mod foreign;
mod kind;
mod own;
mod send_state;

pub use self::detail::{CertificateProblem, DnsFailure, TlsAlert};
pub use self::failure::Failure;
pub(crate) use self::foreign::connect_extras;
pub use self::kind::{Class, Kind};
pub use self::send_state::SendState;
