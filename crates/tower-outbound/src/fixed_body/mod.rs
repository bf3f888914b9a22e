//! For services that are already made: the observe layer and the retry layer change the type of a request's body, and the
//! service takes one type only, or it is not `Clone`.
//!
//! [`FixedBodyLayer`] goes between those layers and the service. It converts each request's body to the type that the
//! service takes, and lets clones share the service. [`Outbound::layer_with_body`](crate::Outbound::layer_with_body) and
//! [`Outbound::layer_with_bytes`](crate::Outbound::layer_with_bytes) include it.
//!
//! | service | layer |
//! | --- | --- |
//! | tonic's `Channel`, also a balanced one | `outbound.layer_with_body(tonic::body::Body::new)` |
//! | octocrab's, in `OctocrabBuilder::with_layer` | `outbound.layer_with_body(octocrab::OctoBody::new)` |
//! | axum's or tower-http's `BoxService`s | `outbound.layer_with_body(axum::body::Body::new)` |
//! | kube's, in `ClientBuilder::with_layer` | `outbound.layer_with_bytes(kube::client::Body::from)`: kube converts only `Bytes` |

mod collect;
mod layer;
mod map;
mod shared;

pub use self::collect::{CollectBody, CollectBodyFuture};
pub use self::layer::{Collect, FixedBodyLayer, Map};
pub use self::map::MapBody;
pub use self::shared::{Shared, SharedFuture};
