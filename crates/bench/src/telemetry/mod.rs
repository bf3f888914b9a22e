//! Where the contenders' spans and metrics go.

mod counted;
mod flush;
mod null;
mod otlp;
mod ours;

pub(crate) use flush::Flush;
pub(crate) use null::{metrics as null_metrics, traces as null_traces};
pub(crate) use otlp::Peer;
pub(crate) use ours::outbound;
