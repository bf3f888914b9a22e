//! Where values come from: environment and file.

mod file;
mod layer;
mod nearest;
mod serde;
mod source;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod sources;
mod warning;

pub use self::file::FileError;
pub use self::source::Source;
pub use self::sources::Sources;
pub use self::warning::Warning;

/// The beginning of every variable.
pub(super) const PREFIX: &str = "OUTBOUND_";
