//! tonic's channel with every layer in its place: [`Outbound::tonic`](crate::Outbound::tonic).
//!
//! tonic connects from a task of its own, and its responses do not name a connection. So the channel's connector passes
//! each new connection to its executor, which knows from then on which connection a task drives.

mod builder;
mod channel;
mod connect_timeout;
mod connector;
mod executor;
mod response;
mod service;

pub use self::builder::TonicBuilder;
pub use self::channel::TonicChannel;
pub use self::response::{TonicBody, TonicFuture};
