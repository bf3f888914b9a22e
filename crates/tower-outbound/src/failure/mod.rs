//! The description of a failure: its kind, its class, its phase, and how much of the request was sent.
//!
//! Data only: [`Failure::of`] is in `classify`.

mod detail;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod failure;
mod kind;
mod phase;
mod send_state;

pub(crate) use self::detail::Detail;
pub use self::detail::{CertificateProblem, DnsFailure, TlsAlert};
pub use self::failure::Failure;
pub use self::kind::{Class, Kind};
pub use self::phase::Phase;
pub use self::send_state::SendState;
