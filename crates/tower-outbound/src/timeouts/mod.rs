//! Timeouts of an attempt and of a connect.
//!
//! Differences from [`tower::timeout`](https://docs.rs/tower/latest/tower/timeout/index.html) and from tower-http's
//! timeout layers: one layer covers the connect, the upload, the first byte, the body and the whole attempt, and the
//! error says in which phase the attempt was and whether the request was sent.

mod attempt_timers;
mod check_up;
mod connect_timers;
#[cfg(feature = "tonic-channel")]
mod connect_wait;
mod deadline;

pub(crate) use self::attempt_timers::{AttemptTimers, attribute_cut, finish_timed_out};
pub(crate) use self::check_up::{CheckUp, finish_lost};
pub(crate) use self::connect_timers::ConnectTimers;
#[cfg(feature = "tonic-channel")]
pub(crate) use self::connect_wait::ConnectWait;
pub(crate) use self::deadline::{cut_by_deadline, finish_past_deadline};
pub use crate::error::{TimeoutError, TimeoutKind};
pub use crate::settings::{Streaming, Timeouts};
