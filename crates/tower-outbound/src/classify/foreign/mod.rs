//! The only module that knows the error types of other crates: one file per family of crates.

mod h2;
mod hyper;
mod io;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "rustls")]
mod tls;
mod tls_text;
#[cfg(feature = "tonic")]
mod tonic;
mod tower;

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use super::evidence::{Evidence, Level};

/// Adds what an error of another crate proves.
pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) {
    let known =
        hyper::inspect(error, evidence) || h2::inspect(error, evidence) || io::inspect(error, evidence);
    let known = known || tower::inspect(error, evidence);
    #[cfg(feature = "tonic")]
    let known = known || tonic::inspect(error, evidence);
    #[cfg(feature = "reqwest")]
    let known = known || reqwest::inspect(error, evidence);
    #[cfg(feature = "rustls")]
    let known = known || tls::inspect(error, evidence);
    // The last, since it reads the error's message.
    let known = known || tls_text::inspect(error, evidence);
    // An unknown error proves nothing; the levels inside it may.
    let _ = known;
}

/// The next level. `source` skips the error inside an `io::Error`, and h2 has no source.
pub(super) fn cause_of(error: Level<'_>) -> Option<Level<'_>> {
    io::cause_of(error).or_else(|| h2::cause_of(error)).or_else(|| error.source())
}

/// Whether the error's own message is this one: only where neither a type nor a method identifies the error. A test
/// provokes each of these errors.
fn says(error: &dyn StdError, message: &str) -> bool {
    writes(format_args!("{error}"), message)
}

/// As [`says`], of the error's `Debug`, which names its type.
#[cfg(not(feature = "tower"))]
fn shows(error: &dyn StdError, text: &str) -> bool {
    writes(format_args!("{error:?}"), text)
}

fn writes(written: fmt::Arguments<'_>, text: &str) -> bool {
    struct Left<'a>(&'a str);
    impl fmt::Write for Left<'_> {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(part).ok_or(fmt::Error)?;
            Ok(())
        }
    }
    let mut left = Left(text);
    left.write_fmt(written).is_ok() && left.0.is_empty()
}
