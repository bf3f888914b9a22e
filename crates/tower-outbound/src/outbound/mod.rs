//! [`Outbound`]: the handle of a stack, which creates its layers and holds their shared state.

mod builder;
mod handle;
mod hyper_client;
mod layer;
#[cfg(feature = "settings")]
mod live;
mod names;
#[cfg(all(feature = "settings", unix))]
mod sighup;
#[cfg(test)]
mod tests;
mod transport;
#[cfg(feature = "watch")]
mod watch;

pub use self::builder::OutboundBuilder;
pub use self::handle::Outbound;
pub use self::layer::{AttemptLayer, FixedOutboundLayer, OutboundLayer};
pub use self::names::{FixedStack, Layered, LayeredBody, Stack, StackBody};
pub use crate::record::Reset;
