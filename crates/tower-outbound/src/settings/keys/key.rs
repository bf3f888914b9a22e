use super::Value;
use super::parse::parse;
use crate::settings::StackSettings;

pub(in crate::settings) use super::table::KEYS;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Duration,
    Count,
    Size,
    Share,
    Switch,
    Statuses,
    Header,
    WhenFull,
    Phases,
    Metrics,
    Addresses,
    Interface,
}

/// One option.
#[derive(Debug)]
pub(in crate::settings) struct Key {
    /// In a file: table and name.
    pub(in crate::settings) name: &'static str,
    pub(super) kind: Kind,
    /// What zero means.
    #[cfg(test)]
    pub(super) zero: &'static str,
    #[cfg(test)]
    pub(super) doc: &'static str,
    pub(in crate::settings) get: fn(&StackSettings) -> Value,
    pub(in crate::settings) set: fn(&mut StackSettings, Value),
}

impl Key {
    pub(in crate::settings) fn named(name: &str) -> Option<usize> {
        KEYS.iter().position(|key| key.name == name)
    }

    pub(in crate::settings) fn of_variable(variable: &str) -> Option<usize> {
        KEYS.iter().position(|key| key.variable() == variable)
    }

    /// The environment variable.
    pub(in crate::settings) fn variable(&self) -> String {
        let name = self.name.replace('.', "_").to_ascii_uppercase();
        format!("{}{name}", super::super::sources::PREFIX)
    }

    /// The value that a text stands for, or what is wrong with it.
    pub(in crate::settings) fn parse(&self, text: &str) -> Result<Value, String> {
        parse(self.kind, text.trim())
    }
}

#[cfg(test)]
impl Kind {
    /// The unit, and the minimum.
    pub(super) const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Duration => ("duration", "1ms"),
            Self::Count => ("number", "1"),
            Self::Size => ("bytes", "1"),
            Self::Share => ("share", "above 0"),
            Self::Switch => ("`true` or `false`", ""),
            Self::Statuses => ("list of statuses", "100"),
            Self::Header => ("header name", ""),
            Self::WhenFull => ("`wait` or `overflow`", ""),
            Self::Addresses => ("an IPv4 address, an IPv6 address, or both", ""),
            Self::Interface => ("name of an interface", ""),
            Self::Phases => ("`spans`, `events` or `off`", ""),
            Self::Metrics => ("`all`, `core` or `off`", ""),
        }
    }
}
