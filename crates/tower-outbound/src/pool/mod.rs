//! [`Pool`]: a client with a bounded pool of HTTP/1 and HTTP/2 connections, over hyper's `client::conn` and any connector
//! of hyper-util's client.
//!
//! ```text
//! Pool ─Arc→ Handle { connector, Core }      the last handle that is dropped closes what is idle
//! Core       { options, State }              state: who uses which connection, who waits, who connects
//! Conn       { Core, seat, .. }              one per open connection; the seat has its only sender
//! task       from the connect to the end of the IO, one per connection; it owns the place under the limit
//! Lease      the right to use a Conn, in a PoolFuture and then in its PoolBody; its end gives the connection back
//! ```
//!
//! - A connect belongs to no request: its task goes on when the request that began it is gone or was served by another
//!   connection, and the next request takes the result.
//! - When the task of a connection ends, it drops the sender in the seat. So a request that hyper has not taken comes back:
//!   no request waits for a connection that is gone.
//! - A connection is given back when the body has ended *and* hyper wants another request. Whoever sees the second of the
//!   two gives it back: the body's end, or the connection's task after a poll of hyper. No task is spawned for it.
//! - Lock order: the state, then the seat of a connection. Neither is held across an await, nor while a waker or a
//!   connection is dropped.

mod body;
mod builder;
mod conn;
mod core;
mod drain;
mod ending;
mod executor;
mod future;
mod home;
mod lease;
mod options;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod pool;
mod reaper;
mod request;
mod reset;
mod seat;
mod state;
mod task;
mod wait;

pub use self::body::PoolBody;
pub use self::builder::PoolBuilder;
pub use self::executor::PoolExecutor;
pub use self::future::PoolFuture;
pub use self::pool::Pool;
pub use crate::record::Reset;
pub use crate::settings::WhenFull;
