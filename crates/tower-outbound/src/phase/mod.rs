//! Times one stage of a connect: the resolver, the TCP connector, the TLS connector, or the whole.
//!
//! [`PhaseLayer`] fits anything that is a `Service<Dst>` and leaves its response alone, so it goes onto a
//! resolver, a connector, and reqwest's `connector_layer`. It reports to the [`Setup`](crate::Setup) that
//! [`TrackLayer`](crate::TrackLayer) has opened above it, found by the poll scope: also where the client
//! has spawned the connect.
//!
//! A stage begins where the stage inside it ends: a TCP connector resolves first, a TLS connector
//! connects first, and neither is charged for that.

mod future;
mod layer;
mod service;

pub use self::future::PhaseFuture;
pub use self::layer::PhaseLayer;
pub use self::service::Phased;
