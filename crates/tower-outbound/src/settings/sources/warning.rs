use std::fmt;

use super::Source;

/// A value that is not used, a key that does not exist, or a file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) source: Source,
    pub(super) reason: String,
    pub(super) used: Option<String>,
}

/// The longest value that is shown.
const SHOWN: usize = 64;

impl Warning {
    pub(super) fn broken(key: &str, value: &str, source: Source, reason: String, used: String) -> Self {
        let value = value.chars().take(SHOWN).collect();
        Self { key: Some(key.to_owned()), value: Some(value), source, reason, used: Some(used) }
    }

    /// The value is not shown: it may be a secret of somebody else.
    pub(super) fn unknown(key: &str, source: Source, nearest: &str) -> Self {
        let reason = format!("there is no such key; the nearest is {nearest}");
        Self { key: Some(key.to_owned()), value: None, source, reason, used: None }
    }

    pub(super) fn file(source: Source, reason: String, used: &str) -> Self {
        Self { key: None, value: None, source, reason, used: Some(used.to_owned()) }
    }

    /// The key; `None` if the whole file is not used.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The value; `None` if there is no such key.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Where the value is.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What is wrong. Names the nearest key if there is no such key.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What is used instead, and its source.
    #[must_use]
    pub fn used(&self) -> Option<&str> {
        self.used.as_deref()
    }

    #[cfg(not(feature = "tracing"))]
    pub(in crate::settings) fn log(&self) {}

    #[cfg(feature = "tracing")]
    pub(in crate::settings) fn log(&self) {
        tracing::warn!(
            target: "tower_outbound", key = self.key(), value = self.value(), source = %self.source, used = self.used(),
            "a setting is not used: {}", self.reason,
        );
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{key}")?;
            if let Some(value) = &self.value {
                write!(f, " = {value:?}")?;
            }
            write!(f, " ({}): ", self.source)?;
        } else {
            write!(f, "{}: ", self.source)?;
        }
        f.write_str(&self.reason)?;
        match &self.used {
            Some(used) => write!(f, "; {used} is used"),
            None => Ok(()),
        }
    }
}
