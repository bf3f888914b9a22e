//! Helpers of the tests of settings.

use super::{Choices, Export, Lookup, Settings};

pub(super) fn lookup(variables: Vec<(&'static str, String)>) -> impl Fn(&str) -> Option<String> + Send {
    move |key| variables.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone())
}

pub(super) fn resolve_with(lookup: impl Fn(&str) -> Option<String> + Send + 'static) -> Settings {
    let lookup: &Lookup = &lookup;
    Settings::resolve(&Choices::new("given".to_owned()), lookup)
}

pub(super) fn resolve(variables: &[(&'static str, &'static str)]) -> Settings {
    resolve_with(lookup(variables.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()))
}

/// The exports of traces and of metrics.
pub(super) fn otlp(settings: &Settings) -> [&Export; 2] {
    [&settings.traces, &settings.metrics].map(|signal| signal.otlp.as_ref().unwrap())
}

pub(super) fn endpoints(settings: &Settings) -> [&str; 2] {
    otlp(settings).map(|export| export.endpoint.as_str())
}

/// Key, value and what is used.
pub(super) fn warned(settings: &Settings) -> Vec<(&str, &str, &str)> {
    settings.warnings.iter().map(|w| (w.key(), w.value(), w.used())).collect()
}
