//! The faults of `failures.md`, each written once.
//!
//! [`document`](self::table) holds what the documentation says of a fault: kind, class, phase and send state.
//! [`http1`] and [`http2`] say how a peer plays a fault on an open connection, [`connect`] and [`tls`] make the
//! faults before that. The fault matrix, the tests of failures, the checks against real peers and
//! `gateway --faults` use them.

mod action;
pub mod connect;
mod document;
pub mod frames;
pub mod http1;
pub mod http2;
mod peer;
mod seen;
pub mod tls;
mod upload;

pub use action::{Action, open_before_request};
pub use document::{Expected, expected, reason, table};
pub use peer::{Peer, Plan};
pub use seen::Seen;
pub use upload::{Body, Upload};
