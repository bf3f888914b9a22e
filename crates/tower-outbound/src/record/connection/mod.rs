//! A connection: what it is, what is in flight on it, and why it closed.

mod close;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod connection;
mod flight;
mod tell;
mod usage;

pub(crate) use self::close::{CloseHint, IoEnd};
pub use self::close::{CloseReason, Closed};
pub use self::connection::Connection;
pub(crate) use self::flight::{Aboard, Seen};
pub use self::usage::{ConnectionState, Protocol, Reuse, Use};
