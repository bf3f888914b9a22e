//! Every wrapper forwards every method, and has the auto traits that callers need.

mod auto_traits;
mod bodies;
mod io;
mod readiness;
mod reloadable;
mod shared;

use std::task::{Context, Waker};

/// A context whose wake-ups are ignored.
fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
