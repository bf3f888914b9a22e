//! Why there are no settings.

use std::path::PathBuf;
use std::{fmt, io};

/// The settings cannot be used as a whole.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The file is no TOML.
    Parse(PathBuf, String),
    /// No source has a valid value of this key, and it has no default.
    Missing(&'static str),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: the file cannot be read: {error}", path.display()),
            Self::Parse(path, reason) => write!(f, "{}: the file is no TOML: {reason}", path.display()),
            Self::Missing(key) => {
                let variable = key.to_ascii_uppercase();
                write!(f, "no valid {key}: set it in the file, or {variable} in the environment")
            }
        }
    }
}

// The text has the source.
impl std::error::Error for ConfigError {}
