//! The known key that an unknown one was meant to be.

use crate::settings::keys::KEYS;

/// The key whose name, or whose name without its table, is nearest.
pub(super) fn nearest(unknown: &str) -> &'static str {
    let unknown = unknown.to_ascii_lowercase();
    let distance = |name: &str| {
        let short = name.rsplit('.').next().unwrap_or(name);
        strsim::osa_distance(&unknown, name).min(strsim::osa_distance(&unknown, short))
    };
    KEYS.iter().map(|key| key.name).min_by_key(|name| distance(name)).unwrap_or_default()
}

/// The same for a variable.
pub(super) fn nearest_variable(unknown: &str) -> String {
    let variables = KEYS.iter().map(super::super::keys::Key::variable);
    variables.min_by_key(|name| strsim::osa_distance(unknown, name)).unwrap_or_default()
}
