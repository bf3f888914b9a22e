//! The body of a request, lent to the client for one attempt at a time.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

use super::kept::Kept;
use crate::error::BoxError;
use crate::record::CallStorage;

/// Makes of a leased body what the client takes.
///
/// [`PassThrough`] is for clients that take any body. One that takes a type of its own alone (tonic, reqwest, kube) gets
/// it from a closure, which costs a box:
///
/// ```
/// use http_body_util::combinators::UnsyncBoxBody;
/// use http_body_util::{BodyExt, Full};
/// use tower_outbound::Outbound;
/// use tower_outbound::retry::LeasedBody;
///
/// type Demanded = UnsyncBoxBody<bytes::Bytes, tower_outbound::BoxError>;
/// let outbound = Outbound::new();
/// let layer = outbound.retry_layer()
///     .lease(|body: LeasedBody<Full<bytes::Bytes>>| Demanded::new(body));
/// # let _ = layer;
/// ```
pub trait Lease<B: Body> {
    /// What the client takes.
    type Leased;

    /// Hands a body over for one attempt.
    fn lease(&self, body: LeasedBody<B>) -> Self::Leased;
}

/// The client takes the leased body as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct PassThrough;

impl<B: Body> Lease<B> for PassThrough {
    type Leased = LeasedBody<B>;

    fn lease(&self, body: LeasedBody<B>) -> LeasedBody<B> {
        body
    }
}

impl<B: Body, T, F: Fn(LeasedBody<B>) -> T> Lease<B> for F {
    type Leased = T;

    fn lease(&self, body: LeasedBody<B>) -> T {
        self(body)
    }
}

/// A request's body, lent to the client for one attempt: any body that is `Unpin` (`Box::pin` makes one), as it is.
///
/// The body itself stays with the retry layer. If the client never polls it, the next attempt gets it untouched;
/// what was polled is kept up to [`RetryLayer::replay_up_to`](crate::retry::RetryLayer::replay_up_to) bytes, by clones of the
/// data (for `Bytes` a reference count).
///
/// # Cancel safety
/// Dropping it sends nothing. Once the request is sent again elsewhere, it fails instead of giving more.
pub struct LeasedBody<B: Body>(Inner<B>);

enum Inner<B: Body> {
    /// Not to be sent again.
    Own(B),
    Empty,
    Lent(Lent<B>),
}

struct Lent<B: Body> {
    kept: CallStorage<Kept<B>>,
    /// Which lease this is: an older one gives nothing more.
    number: u32,
}

impl<B: Body> Drop for Lent<B> {
    fn drop(&mut self) {
        self.kept.body.end(self.number);
    }
}

impl<B: Body> LeasedBody<B> {
    pub(super) const fn own(body: B) -> Self {
        Self(Inner::Own(body))
    }

    pub(super) const fn empty() -> Self {
        Self(Inner::Empty)
    }

    pub(super) const fn lent(kept: CallStorage<Kept<B>>, number: u32) -> Self {
        Self(Inner::Lent(Lent { kept, number }))
    }
}

/// A lease was polled after the request was sent elsewhere.
#[derive(Debug)]
struct Revoked;

impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request was taken back, to be sent on another connection")
    }
}

impl std::error::Error for Revoked {}

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
        let (slot, own) = match &mut self.0 {
            Inner::Own(body) => {
                return Pin::new(body)
                    .poll_frame(cx)
                    .map(|frame| frame.map(|frame| frame.map_err(Into::into)));
            }
            Inner::Empty => return Poll::Ready(None),
            Inner::Lent(Lent { kept, number }) => (&kept.body, *number),
        };
        let mut state = slot.state();
        if !slot.is_out(own) {
            return Poll::Ready(Some(Err(Revoked.into())));
        }
        let frame = match state.kept.get(state.at).cloned() {
            Some(kept) => {
                state.at += 1;
                Some(Ok(kept.frame()))
            }
            None => ready!(state.poll(cx)),
        };
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            state.given += data.remaining() as u64;
        }
        let forgotten = state.forget();
        // Out of the lock, since what is the user's may call back.
        drop(state);
        drop(forgotten);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Own(body) => body.is_end_stream(),
            Inner::Empty => true,
            Inner::Lent(Lent { kept, number }) => {
                let state = kept.body.state();
                // One that was taken back is not over: it was cut off.
                kept.body.is_out(*number) && state.is_over()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Own(body) => body.size_hint(),
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Lent(Lent { kept, .. }) => kept.body.state().rest(),
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

    /// Three frames of one byte.
    struct Three(u8);

    impl Body for Three {
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

    fn keep(cap: usize) -> CallStorage<Kept<Three>> {
        let (_, kept) = Call::with_storage::<Kept<Three>>();
        kept.body.put(Three(0), None, cap);
        kept
    }

    fn next(lease: &mut LeasedBody<Three>) -> Option<Result<Vec<u8>, BoxError>> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match Pin::new(lease).poll_frame(&mut cx) {
            Poll::Ready(frame) => frame.map(|frame| frame.map(|frame| frame.into_data().unwrap().to_vec())),
            Poll::Pending => panic!("it is ready at all times"),
        }
    }

    fn rest(mut lease: LeasedBody<Three>) -> Vec<u8> {
        std::iter::from_fn(|| next(&mut lease)).flat_map(Result::unwrap).collect()
    }

    #[test]
    fn lease_gives_whole_body_after_partial_earlier_lease() {
        for left in 0..=4 {
            let kept = keep(3);
            let mut first = kept.lease();
            for _ in 0..left {
                next(&mut first);
            }
            assert!(kept.body.take_back());
            let second = kept.lease();
            assert!(next(&mut first).is_some_and(|frame| frame.is_err()), "it was taken back");
            assert!(!first.is_end_stream(), "it was cut off, not over");
            assert_eq!(rest(second), [1, 2, 3], "left after {left}");
            assert!(kept.body.is_handed_over());
        }
    }

    #[test]
    fn lease_gives_whole_body_when_settled_midway() {
        for left in 0..=4 {
            let kept = keep(3);
            rest(kept.lease());
            let mut second = kept.lease();
            let mut given: Vec<_> =
                (0..left).map_while(|_| next(&mut second)).flat_map(Result::unwrap).collect();
            kept.settle();
            given.extend(rest(second));
            assert_eq!(given, [1, 2, 3], "settled after {left}");
        }
    }

    #[test]
    fn lease_body_above_cap_not_kept_for_retry() {
        for (frames, whole) in [(1, true), (2, true), (3, false)] {
            let kept = keep(2);
            let mut lease = kept.lease();
            for _ in 0..frames {
                next(&mut lease).unwrap().unwrap();
            }
            assert_eq!(kept.body.take_back(), whole);
            assert!(next(&mut lease).unwrap().is_err(), "it was taken back");
            assert!(kept.body.untouched().is_none());
        }
    }
}
