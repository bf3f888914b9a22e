//! Every wrapper forwards every method of what it wraps, and is what callers must be able to rely on.

mod auto_traits;
mod bodies;
mod io;
mod readiness;

use std::task::{Context, Waker};

/// For polls that nobody waits for.
fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
