//! Attribute values and ids as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// The value as text: lists as `[a,b]`, maps as `{k=v}`, bytes as hex, no value as the empty string.
pub(super) fn value(any: Option<&AnyValue>) -> String {
    match any.and_then(|any| any.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(flag)) => flag.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BytesValue(bytes)) => hex(bytes),
        Some(Value::ArrayValue(list)) => {
            let items: Vec<_> = list.values.iter().map(|item| value(Some(item))).collect();
            format!("[{}]", items.join(","))
        }
        Some(Value::KvlistValue(list)) => {
            let items: Vec<_> =
                list.values.iter().map(|kv| format!("{}={}", kv.key, value(kv.value.as_ref()))).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

/// The value of `key`, as text.
pub(super) fn attribute(list: &[KeyValue], key: &str) -> Option<String> {
    list.iter().find(|kv| kv.key == key).map(|kv| value(kv.value.as_ref()))
}

/// All attributes, as text.
pub(super) fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    list.iter().map(|kv| (kv.key.clone(), value(kv.value.as_ref()))).collect()
}

/// `service.name`, or the empty string.
pub(super) fn service(resource: Option<&Resource>) -> String {
    resource.and_then(|resource| attribute(&resource.attributes, "service.name")).unwrap_or_default()
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
