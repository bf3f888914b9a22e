//! Tracks connections: wraps the client's connector, above TLS, and its IO.
//!
//! The poll scope gives the attempt that a connect runs for, like the span scope of `tracing`. An HTTP/1 connection finds
//! the attempt that it writes by the [hand-off](crate::foreign) of the request's body. The bytes of HTTP/2 do not identify an
//! attempt: there the response names its connection.

mod future;
mod guard;
mod http2;
mod idle;
mod io;
mod layer;
mod meter;
mod response_head;
mod service;
mod streams;
mod traffic;
mod turns;
mod uploads;
mod write_fault;

pub use self::future::TrackFuture;
pub use self::io::TrackedIo;
pub use self::layer::TrackLayer;
pub(crate) use self::layer::Transport;
pub use self::service::Track;
