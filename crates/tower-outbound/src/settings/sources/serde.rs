//! [`Settings`] in the configuration of an application.

use std::collections::BTreeMap;

use figment::value::Dict;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::layer::Layer;
use crate::settings::Settings;

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tables = BTreeMap::<_, BTreeMap<_, _>>::new();
        for entry in self.entries() {
            if let Some((table, name)) = entry.key().split_once('.') {
                tables.entry(table).or_default().insert(name, entry.value().to_owned());
            }
        }
        tables.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tables = Dict::deserialize(deserializer)?;
        Ok(super::sources::resolve(vec![Layer::of_code(&tables)], None, None))
    }
}
