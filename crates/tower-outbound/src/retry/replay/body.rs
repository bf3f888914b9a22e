//! The body that the client gets for one attempt.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use super::ReplayState;
use crate::error::BoxError;
use crate::record::CallStorage;

/// The request body of one attempt, leased to the client.
///
/// The caller's body stays in the retry layer, and every attempt gets a lease of it. An attempt whose client never
/// polled its lease leaves the body untouched for the next attempt. Frames that were polled are stored for the next
/// attempt, up to [`RetryLayer::replay_up_to`](crate::retry::RetryLayer::replay_up_to) bytes; a stored frame is a clone
/// of its data, which for `Bytes` is a reference count.
///
/// Size hint and end of stream are those of the caller's body, so that each attempt is framed the same way.
///
/// # Errors
/// Errors of the caller's body, as [`BoxError`]; and an error of its own once a later attempt has a lease.
///
/// # Cancel safety
/// Dropping a lease sends nothing. A client that polls an earlier lease while a later attempt is under way gets an
/// error, and so cannot complete the earlier request.
pub struct LeasedBody<B: Body>(Inner<B>);

enum Inner<B: Body> {
    /// The caller's body itself: retries are off for the request.
    Direct(B),
    Empty,
    Leased(Leased<B>),
}

struct Leased<B: Body> {
    replay: CallStorage<ReplayState<B>>,
    /// The number of this lease. Only the latest lease gives data.
    number: u32,
}

impl<B: Body> Drop for Leased<B> {
    fn drop(&mut self) {
        self.replay.body.end_lease(self.number);
    }
}

impl<B: Body> LeasedBody<B> {
    pub(in crate::retry) const fn direct(body: B) -> Self {
        Self(Inner::Direct(body))
    }

    pub(super) const fn empty() -> Self {
        Self(Inner::Empty)
    }

    pub(super) const fn leased(replay: CallStorage<ReplayState<B>>, number: u32) -> Self {
        Self(Inner::Leased(Leased { replay, number }))
    }
}

/// A lease was polled after it was revoked for a later attempt.
#[derive(Debug)]
struct LeaseRevoked;

impl fmt::Display for LeaseRevoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body was revoked: the request is retried on another connection")
    }
}

impl std::error::Error for LeaseRevoked {}

impl<B> Body for LeasedBody<B>
where
    B: Body + Unpin,
    B::Data: Clone,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match &mut self.0 {
            Inner::Direct(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Inner::Empty => Poll::Ready(None),
            Inner::Leased(Leased { replay, number }) => match replay.body.poll_lease(*number, cx) {
                Some(polled) => polled,
                None => Poll::Ready(Some(Err(LeaseRevoked.into()))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Direct(body) => body.is_end_stream(),
            Inner::Empty => true,
            Inner::Leased(Leased { replay, number }) => replay.body.is_end_stream(*number),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Direct(body) => body.size_hint(),
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Leased(Leased { replay, .. }) => replay.body.size_hint(),
        }
    }
}

impl<B: Body> fmt::Debug for LeasedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeasedBody")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Call;

    /// Three frames of one byte each.
    struct ThreeFrames(u8);

    impl Body for ThreeFrames {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<bytes::Bytes>, Self::Error>>> {
            self.0 += 1;
            Poll::Ready((self.0 <= 3).then(|| Ok(Frame::data(vec![self.0].into()))))
        }
    }

    fn replay(max_bytes: usize) -> CallStorage<ReplayState<ThreeFrames>> {
        let (_, replay) = Call::with_storage::<ReplayState<ThreeFrames>>();
        replay.body.store(ThreeFrames(0), None, max_bytes);
        replay
    }

    fn next(lease: &mut LeasedBody<ThreeFrames>) -> Option<Result<Vec<u8>, BoxError>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match Pin::new(lease).poll_frame(&mut cx) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap().to_vec())),
            Poll::Pending => panic!("the body is always ready"),
        }
    }

    fn remaining(mut lease: LeasedBody<ThreeFrames>) -> Vec<u8> {
        std::iter::from_fn(|| next(&mut lease)).flat_map(Result::unwrap).collect()
    }

    #[test]
    fn lease_gives_whole_body_after_partial_earlier_lease() {
        for polled in 0..=4 {
            let replay = replay(3);
            let mut first = replay.lease();
            for _ in 0..polled {
                next(&mut first);
            }
            assert!(replay.body.revoke());
            let second = replay.lease();
            assert!(next(&mut first).is_some_and(|frame| frame.is_err()), "the first lease is revoked");
            assert!(!first.is_end_stream(), "a revoked lease has no end");
            assert_eq!(remaining(second), [1, 2, 3], "after {polled} polls of the first lease");
            assert!(replay.body.is_fully_taken());
        }
    }

    #[test]
    fn lease_gives_whole_body_when_finished_midway() {
        for polled in 0..=4 {
            let replay = replay(3);
            remaining(replay.lease());
            let mut second = replay.lease();
            let mut given: Vec<_> =
                (0..polled).map_while(|_| next(&mut second)).flat_map(Result::unwrap).collect();
            replay.finish();
            given.extend(remaining(second));
            assert_eq!(given, [1, 2, 3], "finished after {polled} polls");
        }
    }

    #[test]
    fn lease_body_above_cap_not_kept_for_retry() {
        for (frames, replayable) in [(1, true), (2, true), (3, false)] {
            let replay = replay(2);
            let mut lease = replay.lease();
            for _ in 0..frames {
                next(&mut lease).unwrap().unwrap();
            }
            assert_eq!(replay.body.revoke(), replayable);
            assert!(next(&mut lease).unwrap().is_err(), "the lease is revoked");
            assert!(replay.body.take_unpolled().is_none());
        }
    }
}
