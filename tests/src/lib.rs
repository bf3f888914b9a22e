//! The test harness: what plays the peer, the clock's gates and the telemetry backend for every scenario.

pub mod cells;
pub mod certs;
pub mod faults;
pub mod gate;
pub mod latency;
pub mod otlp;
pub mod peers;
pub mod program;
pub mod recorder;
pub mod secret;
pub mod server;
