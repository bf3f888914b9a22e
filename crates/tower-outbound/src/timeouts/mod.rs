//! Timeouts of an attempt and of a connect.
//!
//! Differences from [`tower::timeout`](https://docs.rs/tower/latest/tower/timeout/index.html) and from tower-http's
//! timeouts: the response's body counts too, there is a timeout per stage (write, first byte, body, connect, TLS), and
//! the error says in which phase the attempt was and whether the request was sent.

mod attempt_timers;
mod connect_timers;

pub(crate) use self::attempt_timers::{AttemptTimers, finish_timed_out};
pub(crate) use self::connect_timers::ConnectTimers;
pub use crate::error::{TimeoutError, TimeoutKind};
pub use crate::settings::Timeouts;
