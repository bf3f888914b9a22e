//! tonic's channel, which connects from a task of its own and names no connection.

mod body;
mod builder;
mod channel;
mod connector;
mod executor;
mod limit;
mod response;

pub use self::builder::TonicBuilder;
pub use self::channel::TonicChannel;
pub use self::response::{TonicBody, TonicFuture};
