//! Tracks connections: sits above TLS, around the client's connector, and wraps the IO.
//!
//! It learns which attempt made it run from the poll scope, as tracing does with spans. An HTTP/1 connection
//! learns whose turn it is from the request's body, which hyper asks for in the poll that writes the request;
//! on HTTP/2 no IO can tell whose bytes it carries, so there the response names its connection.

mod future;
mod io;
mod layer;
mod meter;
mod service;
mod streams;

pub use self::future::TrackFuture;
pub use self::io::TrackedIo;
pub use self::layer::TrackLayer;
pub use self::service::Track;
