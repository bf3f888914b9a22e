use std::fmt;

/// A value was not understood, and something else is used in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    key: &'static str,
    value: String,
    used: String,
}

impl Warning {
    pub(super) fn new(key: &'static str, value: &str, used: impl Into<String>) -> Self {
        // A URL's user and password are nobody's business.
        let value = match value.rsplit_once('@') {
            Some((_, rest)) => format!("REDACTED@{rest}"),
            None => value.to_owned(),
        };
        Self { key, value, used: used.into() }
    }

    /// The variable.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key
    }

    /// Its value, without user and password.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What is used in its place.
    #[must_use]
    pub fn used(&self) -> &str {
        &self.used
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} cannot be used, using {}", self.key, self.value, self.used)
    }
}
