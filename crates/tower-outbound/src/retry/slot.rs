//! Where a request's body stays while it is lent out, and what is kept of it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;

use crate::error::BoxError;

/// Most bodies are one frame, which needs no list.
type Frames<D> = SmallVec<[KeptFrame<D>; 1]>;

/// So many frames are kept at most, however small they are.
const FRAMES: usize = 1024;

/// Where the body stays: until it is [let go](Self::let_go) and the lease that is out has ended.
///
/// Who ends something takes no lock unless he is the last: what a body drops while it is polled, which is under the
/// lock, may be its own call, or what a client had of it before.
pub(super) struct Slot<B: Body> {
    /// Which lease is out, 0 for none; an older one gives nothing more.
    out: AtomicU32,
    over: AtomicBool,
    state: Mutex<State<B>>,
}

pub(super) struct State<B: Body> {
    /// `None` once the caller has it back.
    body: Option<B>,
    /// Of the whole body, so that it is framed the same way each time.
    hint: SizeHint,
    /// A client that knows the length does not poll for the end.
    length: Option<u64>,
    /// It has no data, so that the client gets another one that has none.
    empty: bool,
    leases: u32,
    pub(super) kept: Frames<B::Data>,
    /// How many of the kept frames the present lease has given.
    pub(super) at: usize,
    /// How many bytes the present lease has given.
    pub(super) given: u64,
    kept_bytes: usize,
    cap: usize,
    polled: bool,
    /// What came when it was asked whether there is more, and is still to be given.
    ahead: Option<Box<Result<Frame<B::Data>, BoxError>>>,
    /// Who waits for more of it.
    waiting: Option<Waker>,
    /// Not everything that was polled is kept.
    lost: bool,
    ended: bool,
}

#[derive(Clone)]
pub(super) enum KeptFrame<D> {
    Data(D),
    /// Boxed, since they are large and few requests have any.
    Trailers(Box<HeaderMap>),
}

impl<D: Clone> KeptFrame<D> {
    fn of(frame: &Frame<D>) -> Option<Self> {
        match frame.data_ref() {
            Some(data) => Some(Self::Data(data.clone())),
            None => frame.trailers_ref().cloned().map(|trailers| Self::Trailers(Box::new(trailers))),
        }
    }

    pub(super) fn frame(self) -> Frame<D> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(*trailers),
        }
    }
}

impl<B: Body> Default for Slot<B> {
    fn default() -> Self {
        let state = State {
            body: None,
            hint: SizeHint::new(),
            length: None,
            empty: false,
            leases: 0,
            kept: SmallVec::new(),
            at: 0,
            given: 0,
            kept_bytes: 0,
            cap: 0,
            polled: false,
            ahead: None,
            waiting: None,
            lost: false,
            ended: false,
        };
        Self { out: AtomicU32::new(0), over: AtomicBool::new(false), state: Mutex::new(state) }
    }
}

impl<B: Body> Slot<B> {
    /// Keeps up to `cap` bytes of what is polled. `length` is what the client is told, if anything.
    pub(super) fn put(&self, body: B, length: Option<u64>, cap: usize) {
        let (hint, empty) = (body.size_hint(), body.is_end_stream());
        let mut state = self.state();
        (state.hint, state.length, state.empty, state.cap) = (hint, length, empty, cap);
        state.body = Some(body);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a new lease, which gives the body from its beginning; `None` where it has no data.
    pub(super) fn lease(&self) -> Option<u32> {
        let mut state = self.state();
        if state.empty {
            return None;
        }
        state.leases += 1;
        (state.at, state.given) = (0, 0);
        self.out.store(state.leases, Ordering::SeqCst);
        Some(state.leases)
    }

    /// Whether this lease gives more; under the lock that stays so.
    pub(super) fn is_out(&self, lease: u32) -> bool {
        self.out.load(Ordering::SeqCst) == lease
    }

    /// The client has dropped this lease.
    pub(super) fn end(&self, lease: u32) {
        let was_out = self.out.compare_exchange(lease, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if was_out && self.over.load(Ordering::SeqCst) {
            self.clear();
        }
    }

    /// Whether another lease could give it from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        !self.state().lost
    }

    /// Takes the body back: the lease that is out gives nothing more. Whether another one can give it from its
    /// beginning.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.state();
        self.out.store(0, Ordering::SeqCst);
        let (whole, waiting) = (!state.lost, state.waiting.take());
        drop(state);
        // The body may not wake who waits for more of this lease any more.
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        whole
    }

    /// Whether the client has taken all of it from the present lease. A body that does not say that it has ended is
    /// asked: a peer that answers at once is faster than a client that comes back for the end.
    pub(super) fn is_handed_over(&self) -> bool
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        let mut state = self.state();
        let handed_over =
            state.empty || state.is_over() || state.length == Some(state.given) || state.has_no_more();
        // What the body has told to who asks here it need not tell to who waits.
        let told = state.ended || state.ahead.is_some();
        let waiting = if told { state.waiting.take() } else { None };
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        handed_over
    }

    /// The caller's own body, if nobody has polled it; a lease that is still about gives nothing more.
    pub(super) fn untouched(&self) -> Option<B> {
        let mut state = self.state();
        if state.polled {
            return None;
        }
        self.out.store(0, Ordering::SeqCst);
        state.body.take()
    }

    /// It is not lent out again: it goes at once, or with the lease that is out. Whether it has gone.
    pub(super) fn let_go(&self) -> bool {
        self.over.store(true, Ordering::SeqCst);
        let unused = self.is_out(0);
        if unused {
            self.clear();
        }
        unused
    }

    /// What the lease that is out has given, and will give, need not be given again.
    pub(super) fn keep_no_more(&self) {
        let given = {
            let mut state = self.state();
            state.lost = true;
            state.forget()
        };
        drop(given);
    }

    /// Out of the lock, since what is the user's may call back.
    fn clear(&self) {
        let all = {
            let mut state = self.state();
            (state.body.take(), std::mem::take(&mut state.kept), state.ahead.take(), state.waiting.take())
        };
        drop(all);
    }
}

impl<B: Body> State<B> {
    /// Whether the present lease has given all of it.
    pub(super) fn is_over(&self) -> bool {
        let more = self.ahead.is_some() || self.body.as_ref().is_some_and(|body| !body.is_end_stream());
        let live = !self.ended && more;
        !live && self.at >= self.kept.len()
    }

    /// What the present lease has still to give.
    pub(super) fn rest(&self) -> SizeHint {
        let mut rest = SizeHint::new();
        rest.set_lower(self.hint.lower().saturating_sub(self.given));
        if let Some(upper) = self.hint.upper() {
            rest.set_upper(upper.saturating_sub(self.given));
        }
        rest
    }

    /// What is not to be given again.
    pub(super) fn forget(&mut self) -> Frames<B::Data> {
        if !self.lost || self.at < self.kept.len() {
            return SmallVec::new();
        }
        self.at = 0;
        std::mem::take(&mut self.kept)
    }

    /// Whether the present lease has given all that there is, of a body that was polled.
    fn has_no_more(&mut self) -> bool
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        if !self.polled || self.at < self.kept.len() || self.ahead.is_some() {
            return false;
        }
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return false };
        // Who waits is woken as before, or when this is over.
        let waker = self.waiting.as_ref().unwrap_or(Waker::noop());
        match Pin::new(body).poll_frame(&mut Context::from_waker(waker)) {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(frame) => self.ahead = frame.map(|frame| Box::new(frame.map_err(Into::into))),
            Poll::Pending => {}
        }
        self.ended
    }
}

impl<B> State<B>
where
    B: Body + Unpin,
    B::Data: Clone,
    B::Error: Into<BoxError>,
{
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        self.polled = true;
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return Poll::Ready(None) };
        let polled = match self.ahead.take() {
            Some(frame) => Some(*frame),
            None => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(polled) => polled.map(|frame| frame.map_err(Into::into)),
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
        let last = |frame: &Result<Frame<B::Data>, BoxError>| frame.as_ref().is_ok_and(Frame::is_trailers);
        self.ended = polled.as_ref().is_none_or(last) || self.is_over();
        Poll::Ready(polled)
    }

    fn keep(&mut self, frame: &Frame<B::Data>) {
        if self.lost {
            return;
        }
        self.kept_bytes += frame.data_ref().map_or(0, Buf::remaining);
        let fits = self.kept_bytes <= self.cap && self.kept.len() < FRAMES;
        match KeptFrame::of(frame).filter(|_| fits) {
            Some(kept) => {
                self.kept.push(kept);
                self.at = self.kept.len();
            }
            None => self.lost = true,
        }
    }
}
