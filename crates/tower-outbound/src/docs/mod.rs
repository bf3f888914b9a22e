//! Longer texts.

/// Each kind of failure, and what each fault leads to.
#[doc = include_str!("failures.md")]
pub mod failures {}
