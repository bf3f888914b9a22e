//! A TCP connector: resolves a host and connects to the first address that answers (RFC 8305).
//!
//! Differences from hyper-util's `HttpConnector`:
//!
//! - Attempts overlap across all addresses and the families alternate; `HttpConnector` races two families and tries the
//!   addresses of each one by one.
//! - Every tried address is reported with its times and its error, not only the winner.
//! - The address of a host that failed last is tried last for ten minutes.

mod connector;
mod failed_addresses;
mod future;
mod io;
mod options;
mod order;
mod race;
mod resolver;
mod running_phase;
mod target;
#[cfg(test)]
mod tests;

pub use self::connector::TcpConnector;
pub use self::future::TcpConnecting;
pub use self::io::TcpIo;
pub use self::order::FirstFamily;
