//! The other side, in a process of its own: what answers, and what receives telemetry.

mod addresses;
mod answers;
mod certificate;
mod child;
mod http2;
mod lean;
mod receiver;
mod serve;

pub(crate) use addresses::Addresses;
pub(crate) use child::Server;
pub(crate) use serve::serve;
