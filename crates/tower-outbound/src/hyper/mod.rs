//! Adapters for hyper's own connections, without a client or pool.

mod handshake;
mod service;

pub use self::handshake::{Handshake, HandshakeFuture, HandshakeHttp1, HandshakeHttp2, HandshakeLayer};
pub use self::service::{HyperFuture, HyperService};
pub use crate::foreign::DriveConnection;
