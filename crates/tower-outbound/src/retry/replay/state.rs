//! The headers and the body of a request, stored in its call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Request};
use http_body::Body;

use super::LeasedBody;
use super::buffer::ReplayBuffer;
use super::headers::HeaderSnapshot;
use crate::error::BoxError;
use crate::record::{Call, CallStorage};
use crate::util::http::NamedHeaders;

/// The headers and the body of a request, stored in its call's allocation: see the [module](super).
///
/// The allocation lives as long as any handle to the call. [`finish`](Self::finish) or [`release`](Self::release)
/// empties the state when the call ends.
pub(in crate::retry) struct ReplayState<B: Body> {
    headers: Mutex<HeaderSnapshot>,
    pub(in crate::retry) body: ReplayBuffer<B>,
}

impl<B: Body> Default for ReplayState<B> {
    fn default() -> Self {
        Self { headers: Mutex::default(), body: ReplayBuffer::default() }
    }
}

impl<B: Body> ReplayState<B> {
    /// Stores the headers and the body of a request in a new call. Returns the rest of the request, with its headers.
    pub(in crate::retry) fn store(
        request: Request<B>,
        replay_up_to: usize,
    ) -> (Request<()>, Call, CallStorage<Self>)
    where
        B: Send + 'static,
        B::Data: Send,
    {
        let (parts, body) = request.into_parts();
        let (call, replay) = Call::with_storage::<Self>();
        replay.snapshot().store(&parts.headers);
        replay.body.store(body, None, replay_up_to);
        (Request::from_parts(parts, ()), call, replay)
    }

    fn snapshot(&self) -> MutexGuard<'_, HeaderSnapshot> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::retry) fn headers(&self) -> HeaderMap {
        self.snapshot().to_map()
    }

    /// Whether the client has taken the whole body from the current lease.
    pub(in crate::retry) fn is_fully_taken(&self) -> bool
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        self.body.announce(NamedHeaders::of(&self.headers()).content_length());
        self.body.is_fully_taken()
    }

    /// Ends the replay: no retry follows. The current lease still gives the rest of the body; everything else is
    /// dropped at once.
    pub(in crate::retry) fn finish(&self) {
        if !self.release() {
            self.body.stop_storing();
        }
    }

    /// As [`finish`](Self::finish), without taking the buffer's lock while a lease is out: the body's own `poll_frame`
    /// may be the caller. Frames that the current lease has given are then dropped with the lease.
    ///
    /// Returns whether the buffer is empty now.
    pub(in crate::retry) fn release(&self) -> bool {
        self.snapshot().clear();
        self.body.release()
    }
}

impl<B: Body> CallStorage<ReplayState<B>> {
    /// Leases the body from its beginning. Earlier leases fail from now on.
    pub(in crate::retry) fn lease(&self) -> LeasedBody<B> {
        match self.body.lease() {
            Some((number, view)) => LeasedBody::leased(self.clone(), number, view),
            None => LeasedBody::empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[test]
    fn replay_headers_cleared_by_release_while_call_lives() {
        let request = Request::get("http://localhost/").header("authorization", "secret");
        let request = request.body(Full::<bytes::Bytes>::default()).unwrap();
        let (request, call, replay) = ReplayState::store(request, 0);
        assert!(!format!("{call:?}").contains("secret"));
        assert_eq!(replay.headers(), *request.headers());
        replay.release();
        assert_eq!(replay.headers(), HeaderMap::new());
        drop(call);
    }
}
