//! Where a request's body stays while it is lent out, and what is kept of it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;

use super::LeasedBody;

/// What a poll of a body gives.
pub(super) type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// So many frames are kept at most, however small they are.
const FRAMES: usize = 1024;

/// Where the body stays.
pub(super) struct Slot<B: Body> {
    /// Of the whole body, so that it is framed the same way each time.
    pub(super) hint: SizeHint,
    /// A client that knows the length does not poll for the end.
    length: Option<u64>,
    state: Mutex<State<B>>,
}

pub(super) struct State<B: Body> {
    /// `None` once the caller has it back.
    body: Option<B>,
    pub(super) lease: u32,
    /// Most bodies are one frame, which needs no list.
    pub(super) kept: SmallVec<[Kept<B::Data>; 1]>,
    /// How many of the kept frames the present lease has given.
    pub(super) at: usize,
    /// How many bytes the present lease has given.
    pub(super) given: u64,
    kept_bytes: usize,
    cap: usize,
    polled: bool,
    /// What came when it was asked whether there is more, and is still to be given.
    ahead: Option<Result<Frame<B::Data>, B::Error>>,
    /// Who waits for more of it.
    waiting: Option<Waker>,
    /// Not everything that was polled is kept.
    lost: bool,
    ended: bool,
}

#[derive(Clone)]
pub(super) enum Kept<D> {
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

    pub(super) fn frame(self) -> Frame<D> {
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
            kept: SmallVec::new(),
            at: 0,
            given: 0,
            kept_bytes: 0,
            cap,
            polled: false,
            ahead: None,
            waiting: None,
            lost: false,
            ended: false,
        };
        Arc::new(Self { hint, length, state: Mutex::new(state) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body from its beginning; leases given before give nothing more.
    pub(super) fn lease(self: &Arc<Self>) -> LeasedBody<B> {
        let mut state = self.state();
        state.lease += 1;
        (state.at, state.given) = (0, 0);
        LeasedBody::leased(self.clone(), state.lease)
    }

    /// Takes the body back: the lease that is out gives nothing more. Whether another one can give it from its
    /// beginning.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.state();
        state.lease += 1;
        !state.lost
    }

    /// Whether the client has taken all of it from the present lease. A body that does not say that it has ended is
    /// asked: a peer that answers at once is faster than a client that comes back for the end.
    pub(super) fn is_handed_over(&self) -> bool
    where
        B: Unpin,
    {
        let mut state = self.state();
        state.is_over() || self.length == Some(state.given) || state.has_no_more()
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

impl<B: Body> State<B> {
    /// Whether the present lease has given all of it.
    pub(super) fn is_over(&self) -> bool {
        let more = self.ahead.is_some() || self.body.as_ref().is_some_and(|body| !body.is_end_stream());
        let live = !self.ended && more;
        !live && self.at >= self.kept.len()
    }

    fn forget(&mut self) {
        (self.kept, self.at) = (SmallVec::new(), 0);
    }

    /// Whether the present lease has given all that there is, of a body that was polled.
    fn has_no_more(&mut self) -> bool
    where
        B: Unpin,
    {
        if !self.polled || self.at < self.kept.len() || self.ahead.is_some() {
            return false;
        }
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return false };
        // Who waits is woken as before.
        let waker = self.waiting.as_ref().unwrap_or(Waker::noop());
        match Pin::new(body).poll_frame(&mut Context::from_waker(waker)) {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(frame) => self.ahead = frame,
            Poll::Pending => {}
        }
        self.ended
    }
}

impl<B> State<B>
where
    B: Body + Unpin,
    B::Data: Clone,
{
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        self.polled = true;
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return Poll::Ready(None) };
        let polled = match self.ahead.take() {
            Some(frame) => Some(frame),
            None => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(polled) => polled,
                Poll::Pending => {
                    self.waiting = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            },
        };
        self.waiting = None;
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
