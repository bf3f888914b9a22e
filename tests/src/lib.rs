//! The test harness: peers, gates, certificates, an event recorder and a telemetry receiver.

#[cfg(feature = "cells")]
pub mod cells;
pub mod certs;
pub mod conventions;
#[cfg(feature = "instruments")]
pub mod crowd;
pub mod faults;
pub mod gate;
pub mod latency;
pub mod otlp;
pub mod peers;
pub mod program;
pub mod recorder;
pub mod secret;
pub mod server;
#[cfg(feature = "instruments")]
pub mod storm;
#[cfg(feature = "instruments")]
pub mod witness;
