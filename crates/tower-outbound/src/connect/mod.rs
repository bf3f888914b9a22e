//! The layers below the pool: the TCP connector, the timing of a stage, the tracking of connections.

pub(crate) mod phase;
pub(crate) mod tcp;
pub(crate) mod track;
pub(crate) mod tunnel;
pub(crate) mod without_info;

pub use self::phase::{PhaseFuture, PhaseLayer, PhaseTimer};
pub use self::tcp::{FirstFamily, TcpConnecting, TcpConnector, TcpIo};
pub use self::track::{Track, TrackFuture, TrackLayer, TrackedIo};
pub use self::tunnel::{TunnelConnecting, TunnelConnector, TunnelHandshake};
pub use self::without_info::WithoutInfo;
pub use crate::error::{ConnectError, PhaseError, ResolveError, TcpConnectError, TunnelError};
pub use crate::record::{
    AddressAttempt, AddressOutcome, CloseReason, Closed, Connection, ConnectionState, Protocol, Reuse, Setup,
    SetupPhase, TlsInfo, Use,
};
