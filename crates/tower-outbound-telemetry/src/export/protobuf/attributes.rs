//! Attributes: `KeyValue`, `AnyValue` and `ArrayValue`.

use opentelemetry::{Array, KeyValue, StringValue, Value};

use super::writer::{Writer, field_length, varint_length};

/// `KeyValue`'s fields.
const KEY: u32 = 1;
const VALUE: u32 = 2;
/// `AnyValue`'s fields, one of which a value has.
const STRING: u32 = 1;
const BOOL: u32 = 2;
const INT: u32 = 3;
const DOUBLE: u32 = 4;
const ARRAY: u32 = 5;
/// `ArrayValue`'s field.
const VALUES: u32 = 1;

/// The most bytes of a key and a text with which all lengths are below 128.
const SHORT: usize = 0x7f - 6;
/// The same for a key and a number.
const SHORT_KEY: usize = 0x7f - 15;
/// A field's number takes one byte.
const TAG: usize = 1;

impl Writer<'_> {
    pub(super) fn attributes<'a>(
        &mut self,
        field: u32,
        attributes: impl IntoIterator<Item = (&'a str, &'a Value)>,
    ) {
        for (key, value) in attributes {
            self.attribute(field, key, value);
        }
    }

    fn attribute(&mut self, field: u32, key: &str, value: &Value) {
        // The usual case: every length takes one byte.
        match value {
            Value::String(text) if !key.is_empty() && key.len() + text.as_str().len() <= SHORT => {
                return self.short_text(field, key, text.as_str());
            }
            Value::Bool(value) if !key.is_empty() && key.len() <= SHORT_KEY => {
                return self.short_varint(field, key, BOOL, (*value).into());
            }
            Value::I64(value) if !key.is_empty() && key.len() <= SHORT_KEY => {
                return self.short_varint(field, key, INT, *value as u64);
            }
            _ => {}
        }
        let value_length = any_length(value);
        let key_length = if key.is_empty() { 0 } else { field_length(key.len()) };
        self.head(field, key_length + field_length(value_length));
        self.text(KEY, key);
        self.head(VALUE, value_length);
        self.any(value);
    }

    /// The field of an `AnyValue`.
    fn any(&mut self, value: &Value) {
        match value {
            Value::Bool(value) => self.always_varint(BOOL, (*value).into()),
            Value::I64(value) => self.always_varint(INT, *value as u64),
            Value::F64(value) => self.always_double(DOUBLE, *value),
            Value::String(value) => self.always_bytes(STRING, value.as_str().as_bytes()),
            Value::Array(array) => self.array(array),
            _ => {}
        }
    }

    fn array(&mut self, array: &Array) {
        self.head(ARRAY, array_length(array));
        match array {
            Array::Bool(values) => values.iter().for_each(|value| {
                self.head(VALUES, bool_length());
                self.always_varint(BOOL, (*value).into());
            }),
            Array::I64(values) => values.iter().for_each(|value| {
                self.head(VALUES, int_length(*value));
                self.always_varint(INT, *value as u64);
            }),
            Array::F64(values) => values.iter().for_each(|value| {
                self.head(VALUES, double_length());
                self.always_double(DOUBLE, *value);
            }),
            Array::String(values) => values.iter().for_each(|value| {
                self.head(VALUES, string_length(value));
                self.always_bytes(STRING, value.as_str().as_bytes());
            }),
            _ => {}
        }
    }
}

/// The keys and values of a span, an event, a link or a scope.
pub(super) fn pairs<'a>(
    attributes: impl IntoIterator<Item = &'a KeyValue>,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    attributes.into_iter().map(|attribute| (attribute.key.as_str(), &attribute.value))
}

/// The length of an `AnyValue`. A kind of value that is new in the API has no field: the value is empty.
fn any_length(value: &Value) -> usize {
    match value {
        Value::Bool(_) => bool_length(),
        Value::I64(value) => int_length(*value),
        Value::F64(_) => double_length(),
        Value::String(value) => string_length(value),
        Value::Array(array) => field_length(array_length(array)),
        _ => 0,
    }
}

fn array_length(array: &Array) -> usize {
    match array {
        Array::Bool(values) => values.len() * field_length(bool_length()),
        Array::I64(values) => values.iter().map(|value| field_length(int_length(*value))).sum(),
        Array::F64(values) => values.len() * field_length(double_length()),
        Array::String(values) => values.iter().map(|value| field_length(string_length(value))).sum(),
        _ => 0,
    }
}

const fn bool_length() -> usize {
    TAG + 1
}

const fn int_length(value: i64) -> usize {
    TAG + varint_length(value as u64)
}

const fn double_length() -> usize {
    TAG + 8
}

fn string_length(value: &StringValue) -> usize {
    field_length(value.as_str().len())
}
