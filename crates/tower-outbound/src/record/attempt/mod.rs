//! The attempt: one request sent to the client and its response, body included.

pub(crate) mod grpc;
mod marks;
mod progress;
mod record;
mod scope;
mod serving;
mod wire;

pub(crate) use self::marks::Mark;
pub use self::record::Attempt;
pub(crate) use self::record::{Start, identity};
pub(crate) use self::scope::WeakAttempt;
pub(crate) use self::wire::tick;
