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
        /// How many of the kept frames it has given, and how many bytes of them are left.
        at: usize,
        left: usize,
    },
}

/// What a poll of a body gives.
type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// So many frames are kept at most, however small they are.
const FRAMES: usize = 1024;

/// Where the body stays.
pub(super) struct Slot<B: Body>(Mutex<State<B>>);

struct State<B: Body> {
    /// `None` once the caller has it back.
    body: Option<B>,
    lease: u32,
    kept: Vec<Kept<B::Data>>,
    kept_bytes: usize,
    cap: usize,
    polled: bool,
    /// Not everything that was polled is kept.
    lost: bool,
    ended: bool,
    /// The lease that is out has given all of it.
    handed_over: bool,
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
    /// Keeps up to `cap` bytes of what is polled.
    pub(super) fn new(body: B, cap: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            body: Some(body),
            lease: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            cap,
            polled: false,
            lost: false,
            ended: false,
            handed_over: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body from its beginning; leases given before give nothing more.
    pub(super) fn lease(self: &Arc<Self>) -> LeasedBody<B> {
        let mut state = self.state();
        state.lease += 1;
        state.handed_over = false;
        let (lease, left) = (state.lease, state.kept_bytes);
        LeasedBody(Inner::Leased { slot: self.clone(), lease, at: 0, left })
    }

    /// Takes the body back: the lease that is out gives nothing more. Whether another one can give it from its
    /// beginning.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.state();
        state.lease += 1;
        !state.lost
    }

    /// Whether the client has taken all of it.
    pub(super) fn is_handed_over(&self) -> bool {
        self.state().handed_over
    }

    /// It will not be sent again.
    pub(super) fn settle(&self) {
        let mut state = self.state();
        (state.lost, state.cap) = (state.polled, 0);
        // A later lease may be amid what was kept.
        if state.lease == 1 {
            state.kept = Vec::new();
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
    fn is_over(&self) -> bool {
        self.ended || self.body.as_ref().is_none_or(Body::is_end_stream)
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
        self.ended = polled.is_none() || self.is_over();
        Poll::Ready(polled)
    }

    fn keep(&mut self, frame: &Frame<B::Data>) {
        if self.lost {
            return;
        }
        self.kept_bytes += frame.data_ref().map_or(0, Buf::remaining);
        let fits = self.kept_bytes <= self.cap && self.kept.len() < FRAMES;
        match Kept::of(frame).filter(|_| fits) {
            Some(kept) => self.kept.push(kept),
            None => {
                self.lost = true;
                self.kept = Vec::new();
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
        let (slot, own, at, left) = match &mut self.0 {
            Inner::Own(body) => {
                return Pin::new(body)
                    .poll_frame(cx)
                    .map(|frame| frame.map(|frame| frame.map_err(Into::into)));
            }
            Inner::Empty => return Poll::Ready(None),
            Inner::Leased { slot, lease, at, left } => (slot, *lease, at, left),
        };
        let mut state = slot.state();
        if state.lease != own {
            return Poll::Ready(Some(Err(Revoked.into())));
        }
        if let Some(kept) = state.kept.get(*at) {
            *at += 1;
            if let Kept::Data(data) = kept {
                *left -= data.remaining();
            }
            let frame = kept.clone().frame();
            state.handed_over = *at >= state.kept.len() && state.is_over();
            return Poll::Ready(Some(Ok(frame)));
        }
        let frame = ready!(state.poll(cx));
        *at = state.kept.len();
        state.handed_over = state.is_over();
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Own(body) => body.is_end_stream(),
            Inner::Empty => true,
            Inner::Leased { slot, lease, at, .. } => {
                let state = slot.state();
                // One that was taken back is not over: it was cut off.
                state.lease == *lease && *at >= state.kept.len() && state.is_over()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Own(body) => body.size_hint(),
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Leased { slot, left, .. } => {
                let live = slot.state().body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint);
                let left = *left as u64;
                let mut hint = SizeHint::new();
                hint.set_lower(live.lower().saturating_add(left));
                if let Some(upper) = live.upper().and_then(|upper| upper.checked_add(left)) {
                    hint.set_upper(upper);
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
