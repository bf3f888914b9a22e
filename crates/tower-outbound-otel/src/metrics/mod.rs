//! The metrics: instruments bound per origin and outcome, so that a record hashes and allocates nothing.
//!
//! Attributes are sorted by key. Hosts and methods are bounded.

mod attempt;
mod attributes;
mod bound;
mod cache;
mod call;
mod connect;
mod connection;
mod instruments;
mod operation;
mod origin;
mod phase;
mod recorder;
mod rpc;
mod rpc_series;
mod slots;

pub(crate) use self::recorder::Recorder;
pub(crate) use self::slots::SlotGauge;
