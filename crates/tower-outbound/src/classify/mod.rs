//! Failures told apart: what kind of error it was, and in which phase.
//!
//! [`Failure::of`](crate::Failure::of) asks types, never messages, wherever a type can be asked. `chain` walks the levels
//! of an error and weighs what they say; `own` knows our errors, `foreign` is the one module that knows those of
//! others. [`docs::failures`](crate::docs::failures) lists the kinds.

mod chain;
mod foreign;
mod own;

use std::error::Error as StdError;

pub(crate) use self::foreign::connect_extras;
use crate::failure::Failure;

impl Failure {
    /// Classifies any error by its whole chain of sources.
    ///
    /// An exact statement further in counts more than a vague one around it; an error of this crate settles
    /// it. It asks the types of std, hyper, hyper-util, h2 and tokio, and by feature those of `rustls`,
    /// `tower`, `tower-http`, `http-body-util`, `tonic` and `reqwest`; what no level knows is
    /// [`Kind::Other`](crate::Kind::Other). Without the feature `rustls`, errors of rustls 0.23 are recognised by their messages.
    /// It allocates nothing, and looks at 128 levels at most.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        chain::failure_of(error)
    }
}
