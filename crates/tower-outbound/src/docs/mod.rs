//! Longer texts.

/// A guide for each client: what goes where, a complete program, and what cannot be known there.
#[doc = include_str!("clients.md")]
pub mod clients {}

/// Each kind of failure, and what each fault leads to.
#[doc = include_str!("failures.md")]
pub mod failures {}
