//! The state of a pool: who uses which connection, who waits for one, and who connects. It knows no clock, no IO and no
//! type of hyper, so that tests can run it through any order of events.
//!
//! A *link* is a connection from the decision to connect to the end of its task; it counts against the limits for that
//! time:
//!
//! ```text
//!           reserve          start            connected
//!  (none) ──────────▶ Reserved ─────▶ Connecting ──────┬──▶ Busy ⇄ Idle    HTTP/1
//!                       │ waiter        │ failed       └──▶ Shared         HTTP/2
//!                       ▼ gone          ▼                       │
//!                     next waiter     place free                │ closed, expired, too many, used up, retired
//!                                                               ▼
//!                             place free ◀──task ended────── Closing
//! ```
//!
//! An origin has two queues, both in the order of arrival: `paired` waiters have a connect of their own, `queued` waiters
//! have none. All paired ones came before all queued ones. A connection that comes free goes to the oldest waiter, a new
//! connection to the waiter it was opened for. If that waiter has gone or was served, the next queued one adopts the
//! connect, or it is an *orphan* until one arrives.
//!
//! A connection serves requests of one runtime: see `home`.
//!
//! A waiter may hold its connect back for a moment: see `settle`.
//!
//! Invariants between two calls: no request waits beside a connection that could serve it; no place is free that a queued
//! request of an origin may use. So a request that finds a free connection overtakes no other.

mod change;
mod checkout;
mod connect;
mod deferred;
mod grant;
mod home;
mod idle;
mod limits;
mod link;
mod origin;
mod settle;
mod silent;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod state;
#[cfg(test)]
mod tests;
mod waiter;

pub(super) use self::deferred::Deferred;
pub(super) use self::limits::Limits;
pub(super) use self::link::{Home, Pooled, Served, Traffic, Why};
pub(super) use self::settle::Settles;
pub(super) use self::state::State;
pub(super) use self::waiter::Polled;
