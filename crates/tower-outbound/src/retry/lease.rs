//! The body of a request, lent to the client for one exchange at a time.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::error::BoxError;

/// Makes of a leased body what the client takes.
///
/// [`Unboxed`] is for clients that take any body. One that takes a type of its own alone (tonic, reqwest, kube) gets
/// it from a closure, which costs a box:
///
/// ```
/// use http_body_util::combinators::UnsyncBoxBody;
/// use http_body_util::{BodyExt, Full};
/// use tower_outbound::{LeasedBody, Outbound, RetryLayer};
///
/// type Demanded = UnsyncBoxBody<bytes::Bytes, tower_outbound::BoxError>;
/// let outbound = Outbound::new();
/// let layer = RetryLayer::new(outbound.registry().clone())
///     .lease(|body: LeasedBody<Full<bytes::Bytes>>| Demanded::new(body));
/// # let _ = layer;
/// ```
pub trait Lease<B: Body> {
    /// What the client takes.
    type Leased;

    /// Hands a body over for one exchange.
    fn lease(&self, body: LeasedBody<B>) -> Self::Leased;
}

/// The client takes the leased body as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unboxed;

impl<B: Body> Lease<B> for Unboxed {
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

/// A request's body, lent to the client for one exchange: any body that is `Unpin` (`Box::pin` makes one), as it is.
///
/// The body itself stays with the retry layer. If the client never polls it, the next exchange gets it untouched;
/// what was polled is kept up to [`RetryLayer::replay_up_to`](crate::RetryLayer::replay_up_to) bytes, by clones of the
/// data (for `Bytes` a reference count).
///
/// # Cancel safety
/// Dropping it sends nothing. Once the request is sent again elsewhere, it fails instead of giving more.
pub struct LeasedBody<B: Body>(Inner<B>);

enum Inner<B: Body> {
    /// Not to be sent again.
    Own(B),
    Empty,
    Leased {
        slot: Arc<Slot<B>>,
        /// Which lease of the slot this is: an older one gives nothing more.
        lease: u32,
    },
}

/// What a poll of a body gives.
type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// So many frames are kept at most, however small they are.
const FRAMES: usize = 1024;

/// Where the body stays.
pub(super) struct Slot<B: Body> {
    /// Of the whole body, so that it is framed the same way each time.
    hint: SizeHint,
    /// A client that knows the length does not poll for the end.
    length: Option<u64>,
    state: Mutex<State<B>>,
}

struct State<B: Body> {
    /// `None` once the caller has it back.
    body: Option<B>,
    lease: u32,
    kept: Vec<Kept<B::Data>>,
    /// How many of the kept frames the present lease has given.
    at: usize,
    /// How many bytes the present lease has given.
    given: u64,
    kept_bytes: usize,
    cap: usize,
    polled: bool,
    /// Not everything that was polled is kept.
    lost: bool,
    ended: bool,
}

#[derive(Clone)]
enum Kept<D> {
    Data(D),
    Trailers(HeaderMap),
}

impl<D: Clone> Kept<D> {
    fn of(frame: &Frame<D>) -> Option<Self> {
        match frame.data_ref() {
            Some(data) => Some(Self::Data(data.clone())),
            None => frame.trailers_ref().cloned().map(Self::Trailers),
        }
    }

    fn frame(self) -> Frame<D> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

impl<B: Body> Slot<B> {
    /// Keeps up to `cap` bytes of what is polled. `length` is what the client is told, if anything.
    pub(super) fn new(body: B, length: Option<u64>, cap: usize) -> Arc<Self> {
        let hint = body.size_hint();
        let state = State {
            body: Some(body),
            lease: 0,
            kept: Vec::new(),
            at: 0,
            given: 0,
            kept_bytes: 0,
            cap,
            polled: false,
            lost: false,
            ended: false,
        };
        Arc::new(Self { hint, length, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body from its beginning; leases given before give nothing more.
    pub(super) fn lease(self: &Arc<Self>) -> LeasedBody<B> {
        let mut state = self.state();
        state.lease += 1;
        (state.at, state.given) = (0, 0);
        LeasedBody(Inner::Leased { slot: self.clone(), lease: state.lease })
    }

    /// Takes the body back: the lease that is out gives nothing more. Whether another one can give it from its
    /// beginning.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.state();
        state.lease += 1;
        !state.lost
    }

    /// Whether the client has taken all of it from the present lease.
    pub(super) fn is_handed_over(&self) -> bool {
        let state = self.state();
        state.is_over() || self.length == Some(state.given)
    }

    /// It will not be sent again.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        (state.lost, state.cap) = (state.polled, 0);
        // What the present lease has still to give goes with it.
        if state.at >= state.kept.len() {
            state.forget();
        }
    }

    /// The caller's own body, if nobody has polled it; a lease that is still about gives nothing more.
    pub(super) fn untouched(&self) -> Option<B> {
        let mut state = self.state();
        if state.polled {
            return None;
        }
        state.lease += 1;
        state.body.take()
    }
}

impl<B: Body> LeasedBody<B> {
    pub(super) const fn own(body: B) -> Self {
        Self(Inner::Own(body))
    }

    pub(super) const fn empty() -> Self {
        Self(Inner::Empty)
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

impl<B: Body> State<B> {
    /// Whether the present lease has given all of it.
    fn is_over(&self) -> bool {
        let live = !self.ended && self.body.as_ref().is_some_and(|body| !body.is_end_stream());
        !live && self.at >= self.kept.len()
    }

    fn forget(&mut self) {
        (self.kept, self.at) = (Vec::new(), 0);
    }
}

impl<B> State<B>
where
    B: Body + Unpin,
    B::Data: Clone,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        self.polled = true;
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return Poll::Ready(None) };
        let polled = ready!(Pin::new(body).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => self.keep(frame),
            Some(Err(_)) => self.lost = true,
            None => {}
        }
        let last = |frame: &Result<Frame<B::Data>, B::Error>| frame.as_ref().is_ok_and(Frame::is_trailers);
        self.ended = polled.as_ref().is_none_or(last) || self.is_over();
        Poll::Ready(polled)
    }

    fn keep(&mut self, frame: &Frame<B::Data>) {
        if self.lost {
            return;
        }
        self.kept_bytes += frame.data_ref().map_or(0, Buf::remaining);
        let fits = self.kept_bytes <= self.cap && self.kept.len() < FRAMES;
        match Kept::of(frame).filter(|_| fits) {
            Some(kept) => {
                self.kept.push(kept);
                self.at = self.kept.len();
            }
            None => {
                self.lost = true;
                self.forget();
            }
        }
    }
}

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
            Inner::Leased { slot, lease } => (slot, *lease),
        };
        let mut state = slot.state();
        if state.lease != own {
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
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Own(body) => body.is_end_stream(),
            Inner::Empty => true,
            Inner::Leased { slot, lease } => {
                let state = slot.state();
                // One that was taken back is not over: it was cut off.
                state.lease == *lease && state.is_over()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Own(body) => body.size_hint(),
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Leased { slot, .. } => {
                let given = slot.state().given;
                let mut hint = SizeHint::new();
                hint.set_lower(slot.hint.lower().saturating_sub(given));
                if let Some(upper) = slot.hint.upper() {
                    hint.set_upper(upper.saturating_sub(given));
                }
                hint
            }
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

    /// Three frames of one byte.
    struct Three(u8);

    impl Body for Three {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled<Self> {
            self.0 += 1;
            Poll::Ready((self.0 <= 3).then(|| Ok(Frame::data(vec![self.0].into()))))
        }
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
    fn every_lease_gives_all_wherever_the_one_before_was_left() {
        for left in 0..=4 {
            let slot = Slot::new(Three(0), None, 3);
            let mut first = slot.lease();
            for _ in 0..left {
                next(&mut first);
            }
            assert!(slot.take_back());
            let second = slot.lease();
            assert!(next(&mut first).is_some_and(|frame| frame.is_err()), "it was taken back");
            assert!(!first.is_end_stream(), "it was cut off, not over");
            assert_eq!(rest(second), [1, 2, 3], "left after {left}");
            assert!(slot.is_handed_over());
        }
    }

    #[test]
    fn a_lease_gives_all_also_when_it_is_settled_midway() {
        for left in 0..=4 {
            let slot = Slot::new(Three(0), None, 3);
            rest(slot.lease());
            let mut second = slot.lease();
            let mut given: Vec<_> =
                (0..left).map_while(|_| next(&mut second)).flat_map(Result::unwrap).collect();
            slot.settle();
            given.extend(rest(second));
            assert_eq!(given, [1, 2, 3], "settled after {left}");
        }
    }

    #[test]
    fn what_is_beyond_the_cap_is_not_kept_and_cannot_be_had_again() {
        for (frames, whole) in [(1, true), (2, true), (3, false)] {
            let slot = Slot::new(Three(0), None, 2);
            let mut lease = slot.lease();
            for _ in 0..frames {
                next(&mut lease).unwrap().unwrap();
            }
            assert_eq!(slot.take_back(), whole);
            assert!(next(&mut lease).unwrap().is_err(), "it was taken back");
            assert!(slot.untouched().is_none());
        }
    }
}
