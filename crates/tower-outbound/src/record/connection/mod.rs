//! A connection: its state, its uses, and why it closed.
//!
//! [`Connection`] has the public accessors. The IO of a connection writes to the record through [`ConnectionIo`].

mod acceptances;
mod close;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod connection;
mod idle;
mod io;
mod lifecycle;
mod notifications;
mod opened;
mod retire;
mod silence;
mod usage;
mod uses;

pub(crate) use self::close::{CloseHint, IoEnd};
pub use self::close::{CloseReason, Closed};
pub use self::connection::Connection;
use self::io::ConnectionIo;
pub(in crate::record) use self::lifecycle::{Association, UseEvidence};
use self::retire::{Retired, Retirement};
pub use self::usage::{ConnectionState, Protocol, Reuse, Use};
