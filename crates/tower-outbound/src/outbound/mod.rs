//! Puts the layers together, in the right order.

mod builder;
mod connector;
mod handle;
mod layer;
mod tls_info;

pub use self::builder::OutboundBuilder;
pub use self::handle::Outbound;
pub use self::layer::{AttemptLayer, OutboundLayer};
