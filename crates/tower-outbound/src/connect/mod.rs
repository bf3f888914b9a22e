//! Connections and their making: origins, setups, the registry.

mod attempt;
mod capture;
mod close;
mod connection;
mod drive;
mod error;
mod flight;
mod origin;
mod registry;
mod setup;
mod silence;
mod tell;
mod usage;

use std::time::Duration;

pub use self::attempt::{AddressAttempt, AttemptOutcome};
pub(crate) use self::capture::Capture;
pub(crate) use self::close::{CloseHint, IoEnd};
pub use self::close::{CloseReason, Closed};
pub use self::connection::Connection;
pub use self::drive::Driven;
pub use self::error::{ConnectError, PhaseError, ResolveError};
pub(crate) use self::flight::{Aboard, Seen};
pub use self::origin::Origin;
pub(crate) use self::origin::OriginParts;
pub use self::registry::Registry;
pub use self::setup::{Setup, SetupPhase, TlsInfo};
pub use self::usage::{ConnectionState, Protocol, Reuse, Use};

/// What a connect may take unless set: dns, tcp, tunnel and tls together.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// After how many exchanges that a silent HTTP/2 connection has let time out it is retired, unless set.
pub(crate) const RETIRE_SILENT_AFTER: u32 = 2;
