//! The records that the layers share: the call, its attempts, the connections that serve them, and the events.

#[macro_use]
mod observer_state;

mod address;
pub(crate) mod attempt;
mod call;
mod connection;
pub mod event;
mod no_propagation;
mod origin;
mod registry;
mod retry_reason;
mod setup;
mod timings;
mod url_template;

pub use self::address::{AddressAttempt, AddressOutcome};
pub use self::attempt::Attempt;
pub(crate) use self::attempt::{Mark, Start, WeakAttempt, grpc, identity, tick};
pub use self::call::Call;
pub(crate) use self::call::{CallStorage, EndCause};
pub(crate) use self::connection::{Aboard, CloseHint, IoEnd, Seen};
pub use self::connection::{CloseReason, Closed, Connection, ConnectionState, Protocol, Reuse, Use};
pub use self::no_propagation::NoPropagation;
pub use self::observer_state::ObserverKey;
pub(crate) use self::observer_state::ObserverStates;
pub use self::origin::Origin;
pub(crate) use self::origin::OriginParts;
pub(crate) use self::registry::Registry;
pub use self::retry_reason::{Release, RetryLimit, RetryReason};
pub use self::setup::{Setup, SetupPhase, TlsInfo};
pub use self::timings::{Cumulative, Timings};
pub use self::url_template::UrlTemplate;
