//! A call whose request is not retried.

use http::{Extensions, Response};

use super::report::{end_dropped, end_with_response};
use crate::error::Error;
use crate::event::{Event, Outcome};
use crate::failure::Phase;
use crate::record::{Call, CallHandOver, Registry};

/// A call with one attempt, which begins at the first poll. The call has the caller's context from before.
///
/// Dropping it ends the call as cancelled, unless the call has ended before.
pub(super) struct SingleCall {
    registry: Registry,
    call: Call,
    /// Whether this layer reports the start and the end of the call. A layer above may do so instead.
    owns_call: bool,
    finished: bool,
}

impl SingleCall {
    pub(super) fn start(registry: &Registry, extensions: &Extensions) -> Self {
        let call = extensions.get::<Call>().cloned().unwrap_or_default();
        call.take_deadlines(extensions);
        let owns_call = call.claim();
        if owns_call {
            registry.emit(&Event::CallStarted { call: &call });
        }
        Self { registry: registry.clone(), call, owns_call, finished: false }
    }

    /// The next attempt that starts on this thread belongs to the call. No extension of the request, which would cost
    /// three allocations.
    pub(super) fn hand_over(&self) -> CallHandOver {
        CallHandOver::enter(&self.call)
    }

    /// The caller gets this response.
    pub(super) fn respond<R>(&mut self, response: &Response<R>) {
        self.finished = true;
        if self.owns_call {
            end_with_response(&self.call, &self.registry, response);
        }
    }

    /// The caller gets this error.
    pub(super) fn fail(&mut self, error: &Error) {
        self.finished = true;
        if self.owns_call {
            self.call.end(&self.registry, &Outcome::Failed(error.failure().clone()));
        }
    }
}

impl Drop for SingleCall {
    fn drop(&mut self) {
        if self.owns_call && !self.finished {
            end_dropped(&self.call, &self.registry, Phase::Acquire);
        }
    }
}
