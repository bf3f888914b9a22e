//! Connections and their making: origins, setups, the registry.

mod close;
mod connection;
mod error;
mod origin;
mod registry;
mod setup;

pub use self::close::{CloseReason, Closed};
pub(crate) use self::connection::{CloseHint, IoEnd};
pub use self::connection::{Connection, Protocol, Reuse, Use};
pub use self::error::{ConnectError, PhaseError};
pub use self::origin::Origin;
pub use self::registry::Registry;
pub use self::setup::{Setup, SetupPhase, TlsInfo};
