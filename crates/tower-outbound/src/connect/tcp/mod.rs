//! The connector below TLS: a resolver, and TCP to the first address that answers.
//!
//! hyper-util's `HttpConnector` races two families and shows only the winner. This one follows RFC 8305 over
//! all addresses, and every address that it tries is told with its time and its error.

mod connector;
mod future;
mod io;
mod memory;
mod options;
mod order;
mod race;
mod resolver;
mod stage;
mod target;
#[cfg(test)]
mod tests;

pub use self::connector::TcpConnector;
pub use self::future::TcpConnecting;
pub use self::io::TcpIo;
pub use self::order::FirstFamily;
