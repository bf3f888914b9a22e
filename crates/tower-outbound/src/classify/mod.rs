//! Classifies errors: [`Failure::of`](crate::Failure::of).
//!
//! `walk` goes through the levels of an error and collects `evidence`. `own` knows the errors of this crate; `foreign` is the
//! only module that knows those of others. A type is preferred to a message wherever there is one.
//! [`docs::failures`](crate::docs::failures) lists the kinds.

mod evidence;
mod foreign;
mod own;
mod walk;

use std::error::Error as StdError;

pub(crate) use self::walk::connect_extras;
use crate::error::{BoxError, Error};
use crate::failure::Failure;

impl Failure {
    /// Classifies any error by its whole chain of sources.
    ///
    /// An exact statement of an inner error counts more than a vague one around it. An error of this crate decides.
    /// Known types are those of std, hyper, hyper-util, h2 and tokio and, with the features of the same names, of `rustls`,
    /// `tower`, `tower-http`, `http-body-util`, `tonic` and `reqwest`. An unknown error is [`Kind::Other`](crate::Kind::Other), without a class.
    /// Without the features `rustls` and `tower`, errors of rustls 0.23 and tower 0.5 are recognised by their messages. Allocates nothing, and stops
    /// after 128 levels.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        walk::failure_of(error)
    }
}

impl Error {
    /// Wraps the error of the service below, unless it is an `Error` already.
    pub(crate) fn from_client(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::new(Failure::of(&*error), None, error),
        }
    }
}
