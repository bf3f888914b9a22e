//! [`Reloadable`]: a client that is replaced while it is in use.
//!
//! [`Outbound::reset`](crate::Outbound::reset) replaces connections. Where a client itself has to go (other TLS roots, another
//! SDK, a client whose connections cannot be reached), build another one, and swap the two.

mod reloadable;

pub use self::reloadable::Reloadable;
