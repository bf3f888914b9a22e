//! One value from the source that wins.

use std::fmt::Debug;
use std::path::Path;

use toml::de::{DeTable, DeValue};

/// The text of a variable.
type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The sources of one reading.
pub(super) struct Reader<'a> {
    pub(super) file: &'a DeTable<'a>,
    pub(super) path: Option<&'a Path>,
    pub(super) variable: Variable<'a>,
    /// A broken value gives way to the one in force, and not to the next source.
    pub(super) reload: bool,
}

impl Reader<'_> {
    /// The keys of the file, without tables.
    pub(super) fn file_keys(&self) -> impl Iterator<Item = &str> {
        let values = self.file.iter().filter(|(_, value)| !matches!(value.get_ref(), DeValue::Table(_)));
        values.map(|(key, _)| &**key.get_ref())
    }

    /// The value of a key. `parse` returns what is wrong with a text. A text without content counts as unset.
    pub(super) fn value<T: Clone + Debug>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
        in_force: Option<&T>,
        default: Option<T>,
    ) -> Option<T> {
        let mut broken = Vec::new();
        let mut used = None;
        for (text, source) in self.texts(key) {
            match parse(text.trim()) {
                Ok(value) => {
                    used = Some((value, source));
                    break;
                }
                Err(reason) => broken.push((text, source, reason)),
            }
            if self.reload {
                used = in_force.map(|value| (value.clone(), "in force".to_owned()));
                break;
            }
        }
        let used = used.or_else(|| default.map(|value| (value, "default".to_owned())));
        for (text, source, reason) in broken {
            // A key with a secret has `Debug` output that hides it; its text is never shown.
            let text = if SECRETS.contains(&key) { "REDACTED" } else { &*text };
            let used =
                used.as_ref().map_or("nothing".to_owned(), |(value, source)| format!("{value:?} ({source})"));
            tracing::warn!(key, value = text, source, used, "a setting is not used: {reason}");
        }
        used.map(|(value, _)| value)
    }

    /// The texts of a key and their sources. The file's is the first.
    fn texts(&self, key: &str) -> impl Iterator<Item = (String, String)> + use<> {
        let name = key.to_ascii_uppercase();
        let file = self.file.get(key).map(|value| {
            let source = self.path.map(|path| path.display().to_string()).unwrap_or_default();
            (text(value.get_ref()), source)
        });
        let variable = (self.variable)(&name).map(|value| (value, name));
        [file, variable].into_iter().flatten().filter(|(text, _)| !text.trim().is_empty())
    }
}

/// Their values are shown nowhere.
const SECRETS: [&str; 3] = ["webhook_token", "storage_token", "s3_secret_access_key"];

fn text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "[..]".to_owned(),
        DeValue::Table(_) => "{..}".to_owned(),
    }
}
