//! Reads variables and collects warnings.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::choices::Lookup;
use crate::Warning;

/// The largest integer of the specification.
pub(super) const MAX: u32 = i32::MAX as u32;

pub(super) struct Reader<'a> {
    lookup: &'a Lookup,
    warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a Lookup) -> Self {
        Self { lookup, warnings: Vec::new() }
    }

    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    /// The trimmed value; an empty value counts as unset, as the specification requires.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        (self.lookup)(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn warn(&mut self, key: &'static str, value: &str, used: impl Into<String>) {
        self.push(Warning::new(key, value, used));
    }

    /// Adds a warning once: both signals read the general variables.
    pub(super) fn push(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The value of the first valid variable. Warns about the invalid ones before it.
    pub(super) fn first<T>(
        &mut self,
        keys: &[&'static str],
        default: T,
        parse: impl Fn(&str) -> Option<T>,
        name: impl Fn(&T) -> String,
    ) -> T {
        let mut refused = Vec::new();
        let mut used = default;
        for key in keys {
            let Some(value) = self.value(key) else { continue };
            match parse(&value) {
                Some(understood) => {
                    used = understood;
                    break;
                }
                None => refused.push((*key, value)),
            }
        }
        for (key, value) in refused {
            self.warn(key, &value, name(&used));
        }
        used
    }

    /// One of these names, compared without case.
    pub(super) fn choice<T: Copy>(
        &mut self,
        keys: &[&'static str],
        default: (&'static str, T),
        others: &[(&'static str, T)],
    ) -> T {
        let all = || [default].into_iter().chain(others.iter().copied());
        let parse = |value: &str| all().find(|(name, _)| name.eq_ignore_ascii_case(value));
        self.first(keys, default, parse, |(name, _)| (*name).to_owned()).1
    }

    pub(super) fn flag(&mut self, keys: &[&'static str]) -> bool {
        self.choice(keys, ("false", false), &[("true", true)])
    }

    pub(super) fn number(&mut self, keys: &[&'static str], default: u32, range: RangeInclusive<u32>) -> u32 {
        let parse = |value: &str| value.parse().ok().filter(|number| range.contains(number));
        self.first(keys, default, parse, u32::to_string)
    }

    /// An interval in milliseconds. Zero is invalid: the SDK would export without a pause.
    pub(super) fn interval(&mut self, key: &'static str, default: u32) -> Duration {
        Duration::from_millis(self.number(&[key], default, 1..=MAX).into())
    }

    /// A timeout in milliseconds. Zero means no timeout, represented by the longest one.
    pub(super) fn timeout(&mut self, keys: &[&'static str], default: u32) -> Duration {
        let millis = match self.number(keys, default, 0..=MAX) {
            0 => MAX,
            millis => millis,
        };
        Duration::from_millis(millis.into())
    }

    /// Names separated by commas, without duplicates; `none` alone is the empty list.
    ///
    /// `note` explains an unknown name.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        known: &[&'static str],
        default: &[&'static str],
        note: impl Fn(&str) -> Option<&'static str>,
    ) -> Vec<&'static str> {
        let Some(list) = self.value(key) else { return default.into() };
        let (mut names, mut notes, mut none, mut refused) = (Vec::new(), String::new(), false, false);
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match known.iter().find(|known| known.eq_ignore_ascii_case(name)) {
                Some(name) if names.contains(name) => {}
                Some(name) => names.push(*name),
                None if name.eq_ignore_ascii_case("none") => none = true,
                None => {
                    refused = true;
                    notes = note(name).map_or(notes, |note| format!(" ({note})"));
                }
            }
        }
        if names.is_empty() && !none {
            names = default.into();
            refused = true;
        } else if none && !names.is_empty() {
            refused = true;
        }
        if refused {
            let used = if names.is_empty() { "none".to_owned() } else { names.join(",") };
            self.warn(key, &list, used + &notes);
        }
        names
    }
}

#[cfg(test)]
mod tests;
