//! A mail filter: it takes messages, uploads large ones to storage, and asks a webhook for the verdict.
//!
//! ```text
//! POST /messages ─ Filter ─┬─ PUT   storage: plain HTTP, or S3 through object_store ─┐
//!                          └─ POST  webhook ─────────────────────────────────────────┴─ one OutboundClient
//! ```
//!
//! The README says what the service promises. [`demonstration`] drives it with peers that fail, and compares what it says with
//! the peers' logs.

pub mod cli;
pub mod config;
pub mod demonstration;
mod failure;
pub mod filter;
mod message;
pub mod metrics;
pub mod service;
mod snapshot;
mod storage;
mod verdict;
mod webhook;

pub use self::failure::error_type;
pub use self::message::Message;
pub use self::snapshot::Snapshot;
pub use self::verdict::{Decision, Verdict};
