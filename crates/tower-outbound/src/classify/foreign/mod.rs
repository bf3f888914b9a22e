//! The one module that knows the error types of others, a file for each family of crates.

mod h2;
mod hyper;
mod io;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(not(feature = "rustls"))]
#[path = "tls_text.rs"]
mod tls;
#[cfg(feature = "tonic")]
mod tonic;
mod tower;

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

pub(crate) use self::hyper::connect_extras;
use super::chain::{Found, Level};

/// Asks each family whether the level is one of its errors, and what that says.
pub(super) fn look_at(error: Level<'_>, found: &mut Found) {
    let known = hyper::look_at(error, found) || h2::look_at(error, found) || io::look_at(error, found);
    let known = known || tower::look_at(error, found);
    #[cfg(feature = "tonic")]
    let known = known || tonic::look_at(error, found);
    #[cfg(feature = "reqwest")]
    let known = known || reqwest::look_at(error, found);
    // The last: without the feature `rustls` it reads the error's message.
    let known = known || tls::look_at(error, found);
    // An error that nobody knows says nothing; the levels inside it may.
    let _ = known;
}

/// The level below; `source` passes over the error inside an `io::Error`, and h2 does not show its own.
pub(super) fn cause_of(error: Level<'_>) -> Option<Level<'_>> {
    io::cause_of(error).or_else(|| h2::cause_of(error)).or_else(|| error.source())
}

/// Whether the error's own message is this one: only for what neither a type nor a method tells. A test
/// provokes each of these errors.
fn says(error: &dyn StdError, message: &str) -> bool {
    struct Left<'a>(&'a str);
    impl fmt::Write for Left<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut left = Left(message);
    write!(left, "{error}").is_ok() && left.0.is_empty()
}
