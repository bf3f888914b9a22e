use std::fmt;

use super::keys::{KEYS, Key, Value};
use super::{Source, StackSettings, Warning};

/// The options of an [`Outbound`](crate::Outbound) and of its pool, and where each value came from.
///
/// From [`Sources::load`](super::Sources::load), or [`new`](Self::new) with setters, whose values are those of the code. The
/// [module](super) lists the keys.
///
/// `Serialize` writes what a file would have. `Deserialize` takes every value as one of the code; it warns of a broken value and
/// ignores it, as [`Sources`](super::Sources) do.
///
/// # Example
/// ```
/// use tower_outbound::settings::{Settings, Source};
///
/// let settings = Settings::new().max_connections_per_origin(20);
/// let entry = settings.get("pool.max_connections_per_origin").unwrap();
/// assert_eq!((entry.value(), entry.source()), ("20", &Source::Code));
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings do nothing unless given to an `Outbound`"]
pub struct Settings {
    stack: StackSettings,
    /// As long as the table of keys.
    sources: Vec<Source>,
    warnings: Vec<Warning>,
}

/// One option of [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    key: &'static str,
    value: String,
    source: &'a Source,
}

impl Entry<'_> {
    /// The key: table and name.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// The value, as a file would have it.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where the value came from.
    #[must_use]
    pub fn source(&self) -> &Source {
        self.source
    }
}

impl fmt::Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.key, self.value, self.source)
    }
}

impl Settings {
    /// Every option with its default.
    pub fn new() -> Self {
        Self {
            stack: StackSettings::default(),
            sources: vec![Source::Default; KEYS.len()],
            warnings: Vec::new(),
        }
    }

    /// Every option, in the order of the table.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        KEYS.iter().zip(&self.sources).map(|(key, source)| self.entry(key, source))
    }

    /// The option of a key; `None` if there is no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Entry<'_>> {
        let index = Key::named(key)?;
        Some(self.entry(&KEYS[index], &self.sources[index]))
    }

    fn entry<'a>(&'a self, key: &Key, source: &'a Source) -> Entry<'a> {
        Entry { key: key.name, value: (key.get)(&self.stack).to_string(), source }
    }

    /// What is wrong with the sources. Each was logged.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(super) fn by_code(mut self, key: &'static str, value: Value) -> Self {
        if let Some(index) = Key::named(key) {
            self.set(index, value, Source::Code);
        }
        self
    }

    pub(super) fn set(&mut self, index: usize, value: Value, source: Source) {
        (KEYS[index].set)(&mut self.stack, value);
        self.sources[index] = source;
    }

    /// Takes the value of other settings, unless it is the default there.
    pub(super) fn copy(&mut self, index: usize, from: &Self) {
        if from.sources[index] != Source::Default {
            let value = (KEYS[index].get)(&from.stack);
            self.set(index, value, from.sources[index].clone());
        }
    }

    /// These settings over those of a builder, whose code wins over every other source.
    pub(crate) fn over(&self, code: &StackSettings) -> Self {
        let sources = vec![Source::Default; KEYS.len()];
        let mut settings = Self { stack: code.clone(), sources, warnings: self.warnings.clone() };
        for (index, key) in KEYS.iter().enumerate() {
            let by_code = code.code.iter().chain(&code.retry.code).any(|name| *name == key.name);
            if by_code && !self.is_by_code(index) {
                settings.set(index, (key.get)(code), Source::Code);
            } else {
                settings.copy(index, self);
            }
        }
        settings
    }

    pub(crate) fn stack(&self) -> &StackSettings {
        &self.stack
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) fn log_all(&self) {}

    #[cfg(feature = "tracing")]
    pub(crate) fn log_all(&self) {
        let all: Vec<_> = self.entries().map(|entry| entry.to_string()).collect();
        tracing::info!(target: "tower_outbound", settings = all.join("; "), "the settings in force");
    }

    #[cfg(not(feature = "tracing"))]
    pub(crate) fn log_changes(&self, _: &Self) {}

    #[cfg(feature = "tracing")]
    pub(crate) fn log_changes(&self, before: &Self) {
        let pairs = before.entries().zip(self.entries()).filter(|(before, now)| before != now);
        let changed: Vec<_> = pairs.map(|(before, now)| format!("{now}, was {}", before.value())).collect();
        tracing::info!(target: "tower_outbound", changed = changed.join("; "), "settings are applied");
    }

    pub(super) fn is_by_code(&self, index: usize) -> bool {
        self.sources[index] == Source::Code
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        warning.log();
        self.warnings.push(warning);
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// Every option with its value and source, a line each.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{entry}")?;
        }
        Ok(())
    }
}
