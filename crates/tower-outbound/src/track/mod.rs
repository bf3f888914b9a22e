//! Tracks connections: sits above TLS, around the client's connector, and wraps the IO.
//!
//! It learns which exchange made it run from the poll scope, as tracing does with spans. An HTTP/1 connection
//! learns whose turn it is from the request's body, which hyper asks for in the poll that writes the request;
//! on HTTP/2 no IO can tell whose bytes it carries, so there the response names its connection.

mod frames;
mod future;
mod io;
mod layer;
mod limits;
mod meter;
mod no_tls;
mod retirement;
mod service;
mod tls;

pub use self::future::TrackFuture;
pub use self::io::TrackedIo;
pub use self::layer::TrackLayer;
pub(crate) use self::limits::ConnectLimits;
#[cfg(feature = "reqwest")]
pub(crate) use self::limits::Watch;
pub(crate) use self::no_tls::NoTlsError;
pub use self::service::Track;
