//! The errors of every layer.

mod connect;
mod deadline;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod error;
mod history;
mod limit;
mod lost_request;
mod no_tls;
mod pool;
mod step;
mod tcp;
mod timeout;
mod tunnel;
mod upload;

pub use self::connect::{ConnectError, PhaseError, ResolveError};
pub use self::deadline::DeadlineElapsed;
pub use self::error::Error;
pub use self::history::{FailedAttempt, RetryHistory};
pub(crate) use self::limit::{Limited, Occupancy};
pub use self::limit::{PoolTimeoutError, QueueFullError};
pub(crate) use self::lost_request::LostRequestError;
pub(crate) use self::no_tls::NoTlsError;
pub(crate) use self::pool::{ConnectionEndedError, PoolConnectError, SendError};
pub(crate) use self::step::StepCause;
pub use self::step::StepError;
pub(crate) use self::tcp::AddressEnd;
pub use self::tcp::TcpConnectError;
pub use self::timeout::{TimeoutError, TimeoutKind};
pub use self::tunnel::TunnelError;
pub(crate) use self::upload::{UploadAbandoned, UploadPanicked};

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
