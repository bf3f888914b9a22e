//! The values of one source, each as its text.

use figment::value::{Dict, Map, Num, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::nearest::{nearest, nearest_variable};
use super::{PREFIX, Source, Warning};
use crate::settings::keys::{KEYS, Key};

/// The values of one source, with nothing but known keys.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) profile: Profile,
    metadata: Metadata,
    values: Dict,
    /// Keys that do not exist.
    pub(super) unknown: Vec<Warning>,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(self.profile.clone(), self.values.clone())]))
    }
}

impl Layer {
    fn new(profile: &str, metadata: Metadata) -> Self {
        Self { profile: Profile::new(profile), metadata, values: Dict::new(), unknown: Vec::new() }
    }

    /// The environment. A variable that is empty counts as unset.
    pub(super) fn of_variables<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
        ignored: &[String],
    ) -> Self {
        let variable =
            |_: &Profile, keys: &[&str]| format!("{PREFIX}{}", keys.join("_").to_ascii_uppercase());
        let mut layer = Self::new("environment", Metadata::named("environment").interpolater(variable));
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || value.trim().is_empty() {
                continue;
            }
            match Key::of_variable(name) {
                Some(index) => layer.insert(KEYS[index].name, value.into()),
                None if ignored.iter().any(|ignored| ignored == name) => {}
                None => {
                    let source = Source::Environment(name.to_owned());
                    layer.unknown.push(Warning::unknown(name, source, &nearest_variable(name)));
                }
            }
        }
        layer
    }

    /// The tables of a file.
    pub(super) fn of_file(tables: &Dict, path: &std::path::Path) -> Self {
        let mut layer = Self::new("file", Metadata::from("file", path));
        layer.take(tables, "", &Source::File(path.to_owned()));
        layer
    }

    /// What the application has deserialised.
    pub(super) fn of_code(tables: &Dict) -> Self {
        let mut layer = Self::new("code", Metadata::named("code"));
        layer.take(tables, "", &Source::Code);
        layer
    }

    fn take(&mut self, tables: &Dict, above: &str, source: &Source) {
        for (name, value) in tables {
            let name = format!("{above}{name}");
            let table = format!("{name}.");
            if Key::named(&name).is_some() {
                self.insert(&name, value.clone());
            } else if let (Value::Dict(_, inner), true) =
                (value, KEYS.iter().any(|key| key.name.starts_with(&table)))
            {
                self.take(inner, &table, source);
            } else {
                self.unknown.push(Warning::unknown(&name, source.clone(), nearest(&name)));
            }
        }
    }

    fn insert(&mut self, key: &str, value: Value) {
        if let Some((table, name)) = key.split_once('.') {
            let entry = self.values.entry(table.to_owned()).or_insert_with(|| Dict::new().into());
            if let Value::Dict(_, dict) = entry {
                dict.insert(name.to_owned(), value);
            }
        }
    }
}

/// What figment knows of a value's source.
pub(super) fn source_of(metadata: Option<&Metadata>, profile: &Profile, key: &Key) -> Source {
    let Some(metadata) = metadata else { return Source::Code };
    match metadata.source.as_ref().and_then(figment::Source::file_path) {
        Some(path) => Source::File(path.to_owned()),
        None if *profile == "environment" => {
            let keys: Vec<_> = key.name.split('.').collect();
            Source::Environment(metadata.interpolate(profile, &keys))
        }
        None => Source::Code,
    }
}

/// What was written.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, one) => one.to_string(),
        Value::Bool(_, on) => on.to_string(),
        Value::Num(_, Num::F32(number)) => number.to_string(),
        Value::Num(_, Num::F64(number)) => number.to_string(),
        Value::Num(_, number) => {
            let whole = number.to_i128().map(|number| number.to_string());
            whole.or_else(|| number.to_u128().map(|number| number.to_string())).unwrap_or_default()
        }
        Value::Empty(..) => String::new(),
        // No option is a table: any text that is not valid.
        Value::Dict(..) => "{..}".to_owned(),
        // A list without an element is none.
        Value::Array(_, list) if list.is_empty() => "none".to_owned(),
        Value::Array(_, list) => list.iter().map(text).collect::<Vec<_>>().join(","),
    }
}
