//! Servers for tests.
//!
//! [`ScriptedServer`] plays an exact [`Script`] of bytes on each connection, over loopback TCP or over
//! `tokio::io::duplex`, which works under a paused clock. [`LoadServer`] answers at once and closes
//! connections as real servers do. [`H2Server`] is hyper's HTTP/2.

mod duplex;
mod h2;
pub(crate) mod http1;
mod load;
mod log;
mod play;
mod script;
mod scripted;
mod transport;

#[cfg(test)]
mod tests;

pub use duplex::{DuplexConnector, DuplexIo};
pub use h2::{H2Server, H2ServerBuilder};
pub use load::{Closing, LoadServer, LoadServerBuilder, Served};
pub use log::{ConnectionLog, Ended};
pub use script::{Script, Scripts};
pub use scripted::ScriptedServer;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

/// A loopback address that refuses connections: its listener is closed.
pub fn closed_port() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
