//! The exchange and the call: the records that the layers share.

#[macro_use]
mod slots;

mod call;
#[expect(clippy::module_inception, reason = "the noun of the module is its main type")]
mod exchange;
mod marks;
mod phase;
mod scope;
mod template;
mod timings;

pub use self::call::{Call, EndCause};
pub use self::exchange::Exchange;
pub(crate) use self::exchange::Start;
pub(crate) use self::marks::Mark;
pub use self::phase::Phase;
pub use self::slots::Slot;
pub(crate) use self::slots::Slots;
pub use self::template::UrlTemplate;
pub use self::timings::{Cumulative, Timings};
