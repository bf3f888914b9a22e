//! The instrument `witness`: what the layers report of each attempt and connection is compared with what the peers log.
//!
//! ```text
//! cargo run --release -p outbound-tests --bin witness -- --requests 100000 --seed 1
//! ```
//!
//! A run has scenes ([`Plan`]). In each, a new client of one kind calls new peers, which play faults, log what they read
//! and end connections. Then [`judge`] compares both sides. Everything that is planned follows from the seed, so that a
//! scene can be played again.

mod capture;
mod clients;
mod drive;
mod fault;
mod judge;
mod log;
mod peer;
mod plan;
mod reported;
mod tag;
mod tally;

pub use capture::{WireConnection, capture_tools};
pub use clients::{Client, Kind};
pub use drive::{Played, play};
pub use fault::{AtAccept, Fault};
pub use judge::{Field, Verdict, Wire, Wrong, judge};
pub use log::{Goodbye, PeerAnswer, PeerConnection, PeerEnd, PeerRequest, Refusal};
pub use plan::{Act, Plan, Scene, Step, Upload};
pub use reported::{AttemptReport, ConnectionReport, End, Reported, Serving};
pub use tally::{FIRST_BYTE, Tally};

#[cfg(test)]
mod tests;
