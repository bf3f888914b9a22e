//! The metrics: instruments bound per origin and outcome, so that a record hashes nothing and allocates
//! nothing.
//!
//! Attributes are sorted by key everywhere; hosts and methods are bounded.

mod attempt;
mod bound;
mod cache;
mod call;
mod connection;
mod instruments;
mod origin;
mod recorder;
mod rpc;

pub(crate) use self::attempt::{answered_badly, outcome_name};
pub(crate) use self::origin::SlotGauge;
pub(crate) use self::recorder::Recorder;
