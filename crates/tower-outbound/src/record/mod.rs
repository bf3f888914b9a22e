//! The records that the layers share: the call, its attempts, the connections that serve them, and the events.

#[macro_use]
mod observer_state;

mod address;
mod attempt;
mod call;
mod connection;
mod deadline;
pub mod event;
mod no_propagation;
mod operation;
mod origin;
mod origin_changes;
mod origins;
mod pool_handle;
mod recovery;
mod registry;
mod reset;
mod retry_reason;
mod seats;
mod setup;
mod starting_setup;
mod time_split;
mod timings;
mod url_template;

pub use self::address::{AddressAttempt, AddressOutcome};
pub use self::attempt::Attempt;
pub(crate) use self::attempt::{
    AttemptScope, AttemptStart, CallHandOver, CallScope, SuspendedCall, WeakAttempt, grpc, next_sequence,
};
use self::attempt::{Mark, association_reported, current_phase, opened_none_since};
pub use self::call::Call;
pub(crate) use self::call::{CallStorage, EndCause};
use self::connection::{Association, UseEvidence};
pub(crate) use self::connection::{CloseHint, IoEnd};
pub use self::connection::{CloseReason, Closed, Connection, ConnectionState, Protocol, Reuse, Use};
pub use self::deadline::{Deadline, DeadlineScope};
pub use self::no_propagation::NoPropagation;
pub use self::observer_state::ObserverKey;
pub(crate) use self::observer_state::ObserverStates;
pub(crate) use self::operation::Plan;
pub use self::operation::{Operation, OperationOutcome, Report, Step, StepOutcome, StepReport, StepRun};
pub use self::origin::Origin;
pub(crate) use self::origin::{OriginParts, origin_hasher};
pub(crate) use self::pool_handle::PoolHandle;
pub(crate) use self::registry::Registry;
pub(crate) use self::reset::OwnPool;
pub use self::reset::Reset;
pub use self::retry_reason::{Release, RetryLimit, RetryReason};
pub(crate) use self::seats::Seat;
pub use self::setup::{Setup, SetupPhase, TlsInfo};
pub(crate) use self::starting_setup::StartingSetup;
pub use self::time_split::TimeSplit;
pub(crate) use self::time_split::write_phases;
pub use self::timings::{Cumulative, Timings};
pub use self::url_template::UrlTemplate;
