//! The instrument `storm`: many calls to peers that behave badly, and what they leave behind.
//!
//! 64 callers on a runtime of four threads call peers in this process that reset, half-close, stall, take nothing and
//! answer early. Between two waves of calls the peers shut their idle connections while every thread of the clients'
//! runtime is held, so that the next calls and the ends of their connections meet. Calls are cancelled at random.
//!
//! Every timeout is off, except on calls to peers that stall: each call must end within the watchdog's time. What is
//! left is read from the process after the client was dropped: sockets from `/proc/self/fd`, tasks from the runtime.
//! The outcome of a call does not matter here.

mod call;
mod callers;
mod cli;
mod hold;
mod leak;
mod ledger;
mod left;
mod peers;
mod plan;
mod report;
mod run;
mod tally;

pub use cli::Cli;
pub use leak::Leak;
pub use left::Left;
pub use plan::Act;
pub use report::Report;
pub use run::{Settings, run};
