//! The table of keys: each option that a file or a variable can set, with its unit, its bounds and its default.
//!
//! The code, the setters and the documentation come from this one table.

mod field;
mod key;
mod parse;
mod table;
#[cfg(test)]
mod tests;
mod value;

pub(super) use self::key::{KEYS, Key};
pub(super) use self::value::Value;
