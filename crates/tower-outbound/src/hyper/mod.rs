//! Adapters for hyper's connections (`hyper::client::conn`), without a client or a pool.

mod handshake;
mod service;

pub use self::handshake::{Handshake, HandshakeFuture, HandshakeHttp1, HandshakeHttp2, HandshakeLayer};
pub use self::service::{HyperFuture, HyperService};
pub use crate::foreign::{DriveConnection, DriveExecutor};
