//! The body that the client gets for one attempt.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use super::ReplayState;
use super::body_state::LeaseView;
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
/// It is not `Default`, so that `follow_redirect` of tower-http does not fit below the retry layer: a failed second hop would be
/// retried from the first one, which the server has processed. It goes above.
///
/// # Cancel safety
/// Dropping a lease sends nothing. A client that polls an earlier lease while a later attempt is under way gets an
/// error, and so cannot complete the earlier request.
// The compiler shows the next line where a struct's field lacks the bound.
pub struct LeasedBody<B: Body>(Inner<B>); // it stores frames of `B::Data`: your struct needs `where B: Body`

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
    view: LeaseView,
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

    pub(super) const fn leased(replay: CallStorage<ReplayState<B>>, number: u32, view: LeaseView) -> Self {
        Self(Inner::Leased(Leased { replay, number, view }))
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

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match &mut self.0 {
            Inner::Direct(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Inner::Empty => Poll::Ready(None),
            Inner::Leased(Leased { replay, number, view }) => match replay.body.poll_lease(*number, view, cx)
            {
                Some(polled) => polled,
                None => Poll::Ready(Some(Err(LeaseRevoked.into()))),
            },
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Direct(body) => body.is_end_stream(),
            Inner::Empty => true,
            // A revoked lease did not end, but was cut off.
            Inner::Leased(Leased { replay, number, view }) => view.ended && replay.body.is_current(*number),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Direct(body) => body.size_hint(),
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Leased(Leased { view, .. }) => view.rest,
        }
    }
}

impl<B: Body> fmt::Debug for LeasedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeasedBody")
    }
}

#[cfg(test)]
mod tests;
