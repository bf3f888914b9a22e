//! tonic's channel, which connects from a task of its own and names no connection.

mod answer;
mod body;
mod builder;
mod channel;
mod connector;
mod executor;
mod limit;

pub use self::answer::{TonicBody, TonicFuture};
pub use self::builder::TonicBuilder;
pub use self::channel::TonicChannel;
