//! Protobuf's wire format.

use std::iter::repeat_n;

/// Values of variable length: integers, booleans and enumerations.
const VARINT: u32 = 0;
const FIXED_64: u32 = 1;
/// Text, bytes and messages: their length comes first.
const LENGTH: u32 = 2;
const FIXED_32: u32 = 5;

/// The tags of the first and the second field, if they have a length.
const FIRST: u8 = field_tag(1);
const SECOND: u8 = field_tag(2);

/// The tag of a field below 16 that has a length.
const fn field_tag(field: u32) -> u8 {
    (field << 3 | LENGTH) as u8
}

/// Appends fields to a buffer. Fields whose value is the default are left out, as in proto3.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

/// The bytes of a number, seven bits in each.
pub(super) const fn varint_length(value: u64) -> usize {
    // A zero takes a byte too.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// The bytes of a field of fewer than 16 that has this length.
pub(super) const fn field_length(length: usize) -> usize {
    1 + varint_length(length as u64) + length
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Fields that are encoded already.
    pub(super) fn encoded(&mut self, fields: &[u8]) {
        self.out.extend_from_slice(fields);
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.number((field << 3 | kind).into());
    }

    /// The head of a field: its number and the length of what follows.
    pub(super) fn head(&mut self, field: u32, length: usize) {
        if field < 0x10 && length < 0x80 {
            self.out.extend_from_slice(&[field_tag(field), length as u8]);
        } else {
            self.tag(field, LENGTH);
            self.number(length as u64);
        }
    }

    /// An attribute whose value is text, if every length in it takes one byte.
    pub(super) fn short_text(&mut self, field: u32, key: &str, text: &str) {
        let (key, text) = (key.as_bytes(), text.as_bytes());
        let (key_length, length) = (key.len() as u8, text.len() as u8);
        self.out.reserve(key.len() + text.len() + 8);
        self.out.extend_from_slice(&[field_tag(field), key_length + length + 6, FIRST, key_length]);
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(&[SECOND, length + 2, FIRST, length]);
        self.out.extend_from_slice(text);
    }

    /// An attribute whose value is a number in the field `kind`, if the key is so short that every length takes one byte.
    pub(super) fn short_varint(&mut self, field: u32, key: &str, kind: u32, value: u64) {
        let key = key.as_bytes();
        let key_length = key.len() as u8;
        let length = 1 + varint_length(value) as u8;
        self.out.reserve(key.len() + 16);
        self.out.extend_from_slice(&[field_tag(field), key_length + length + 4, FIRST, key_length]);
        self.out.extend_from_slice(key);
        self.out.extend_from_slice(&[SECOND, length, (kind << 3 | VARINT) as u8]);
        self.number(value);
    }

    /// Also if it is the default, as in a `oneof`.
    pub(super) fn always_varint(&mut self, field: u32, value: u64) {
        self.tag(field, VARINT);
        self.number(value);
    }

    /// Also if it is the default, as in a `oneof`.
    pub(super) fn always_double(&mut self, field: u32, value: f64) {
        self.tag(field, FIXED_64);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Also if it is the default, as in a `oneof`.
    pub(super) fn always_bytes(&mut self, field: u32, value: &[u8]) {
        self.head(field, value.len());
        self.out.extend_from_slice(value);
    }

    pub(super) fn varint(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.always_varint(field, value.into());
        }
    }

    pub(super) fn fixed_32(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.tag(field, FIXED_32);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn fixed_64(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, FIXED_64);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.always_bytes(field, value.as_bytes());
        }
    }

    /// A message, whose length is written after its fields. `room`: the bytes that its length takes, nearly always; they
    /// are moved if it takes more or fewer.
    pub(super) fn message(&mut self, field: u32, room: usize, fields: impl FnOnce(&mut Self)) {
        self.tag(field, LENGTH);
        let start = self.out.len();
        self.out.resize(start + room, 0);
        fields(self);
        let mut length = (self.out.len() - start - room) as u64;
        let needed = varint_length(length);
        if needed < room {
            self.out.drain(start..start + room - needed);
        } else if needed > room {
            self.out.splice(start..start, repeat_n(0, needed - room));
        }
        for (index, byte) in self.out[start..start + needed].iter_mut().enumerate() {
            let more = if index + 1 < needed { 0x80 } else { 0 };
            *byte = length as u8 & 0x7f | more;
            length >>= 7;
        }
    }
}
