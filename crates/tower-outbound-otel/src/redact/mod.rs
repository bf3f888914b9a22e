//! `url.full` without secrets.

mod decode;
mod path;
mod query;
mod url;

pub use self::path::RedactPath;
pub use self::query::RedactQuery;
pub(crate) use self::url::Redact;

pub(crate) const REDACTED: &str = "REDACTED";
