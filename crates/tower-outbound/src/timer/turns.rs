//! [`Turns`]: lets the runtime's other tasks run first.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::yield_now;

/// Some turns of the runtime, in which it polls its IO and wakes the tasks that have some. With a timer that has fired, what
/// has arrived before may still wait for that.
pub(crate) struct Turns(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

/// Nothing of it panics.
impl UnwindSafe for Turns {}
impl RefUnwindSafe for Turns {}

impl Turns {
    /// One to see the IO, one for its task.
    pub(crate) fn new() -> Self {
        Self(Box::pin(async {
            yield_now().await;
            yield_now().await;
        }))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}
