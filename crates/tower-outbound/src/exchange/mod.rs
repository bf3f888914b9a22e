//! The exchange and the call: the records that the layers share.

#[macro_use]
mod slots;

mod call;
pub(crate) mod grpc;
mod marks;
mod phase;
mod progress;
mod record;
mod scope;
mod serving;
mod template;
mod timings;
mod wire;

pub(crate) use self::call::Room;
pub use self::call::{Call, EndCause};
pub(crate) use self::marks::Mark;
pub use self::phase::Phase;
pub use self::record::Exchange;
pub(crate) use self::record::{Start, identity};
pub(crate) use self::scope::WeakExchange;
pub use self::slots::Slot;
pub(crate) use self::slots::Slots;
pub use self::template::UrlTemplate;
pub use self::timings::{Cumulative, Timings};
pub(crate) use self::wire::tick;
