//! All pooled connections go silent at once: throughput over time with recovery, with a call of `reset()`, and with neither.

mod report;
mod run;
mod server;

use std::time::Duration;

pub(crate) use self::report::Report;

/// The places for connections; each of them is in use.
const CONNECTIONS: usize = 8;
const WORKERS: usize = 64;
/// How long a request may wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// The server answers within milliseconds.
const SILENT_AFTER: Duration = Duration::from_secs(1);
/// How many requests in a row must have waited in vain.
const RECOVER_AFTER: u32 = 8;

/// When the connections go silent.
const BREAK_AT: Duration = Duration::from_secs(1);
/// When `reset()` is called.
const RESET_AT: Duration = Duration::from_secs(3);
const END: Duration = Duration::from_secs(6);
/// The time of one figure.
const SLICE: Duration = Duration::from_millis(100);
