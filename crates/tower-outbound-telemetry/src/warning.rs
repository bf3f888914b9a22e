use std::fmt;

/// A variable whose value is invalid or not supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    key: &'static str,
    value: String,
    reason: Option<String>,
    used: String,
}

impl Warning {
    pub(crate) fn new(key: &'static str, value: &str, used: impl Into<String>) -> Self {
        Self { key, value: without_user(value), reason: None, used: without_user(&used.into()) }
    }

    pub(crate) fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// The variable.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key
    }

    /// The value, without user and password. Of header lists only the names.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Why the value cannot be used, if the value alone does not show it: for example, what is wrong with a file.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// What is used instead.
    #[must_use]
    pub fn used(&self) -> &str {
        &self.used
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} cannot be used", self.key, self.value)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        write!(f, ", using {}", self.used)
    }
}

/// Replaces a URL's user and password.
pub(crate) fn without_user(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("REDACTED@{rest}"),
        None => url.to_owned(),
    }
}
