//! The state behind the lock of a replay buffer.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use smallvec::SmallVec;

use super::buffer::PollFrame;
use crate::error::BoxError;

/// Maximum number of stored frames, whatever their size.
const MAX_FRAMES: usize = 1024;

/// Most bodies are a single frame, which needs no allocation.
pub(super) type StoredFrames<D> = SmallVec<[StoredFrame<D>; 1]>;

/// The body of a request, the frames stored of it, and how far the current lease has read.
pub(super) struct BodyState<B: Body> {
    /// `None` after the body was returned to the caller, or dropped.
    body: Option<B>,
    /// Size of the whole body, so that each attempt is framed the same way.
    size: SizeHint,
    /// The `Content-Length` in the request's headers: a client that knows the length does not poll for the end.
    length: Option<u64>,
    /// A body without data: each attempt gets an empty body.
    empty: bool,
    /// Number of leases so far.
    leases: u32,
    stored: StoredFrames<B::Data>,
    stored_bytes: usize,
    max_bytes: usize,
    /// The index in `stored` that the current lease reads next.
    position: usize,
    /// Bytes that the current lease has given.
    given: u64,
    polled: bool,
    /// Polled by `is_fully_taken`, and not given yet. Boxed, since it is rare.
    peeked: Option<Box<Result<Frame<B::Data>, BoxError>>>,
    /// The task that waits for the next frame.
    waker: Option<Waker>,
    /// Not every polled frame is stored: no retry can follow.
    incomplete: bool,
    ended: bool,
}

/// What a lease has still to give, as of its last frame: kept with the lease, so that the client asks without a lock.
#[derive(Clone, Debug)]
pub(super) struct LeaseView {
    pub(super) rest: SizeHint,
    pub(super) ended: bool,
}

#[derive(Clone)]
pub(super) enum StoredFrame<D> {
    Data(D),
    /// Boxed: trailers are large and rare.
    Trailers(Box<HeaderMap>),
}

impl<D: Clone> StoredFrame<D> {
    /// `None` for a frame of an unknown type.
    #[inline]
    fn of(frame: &Frame<D>) -> Option<Self> {
        match frame.data_ref() {
            Some(data) => Some(Self::Data(data.clone())),
            None => frame.trailers_ref().cloned().map(|trailers| Self::Trailers(Box::new(trailers))),
        }
    }

    fn into_frame(self) -> Frame<D> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(*trailers),
        }
    }
}

impl<B: Body> Default for BodyState<B> {
    fn default() -> Self {
        Self {
            body: None,
            size: SizeHint::new(),
            length: None,
            empty: false,
            leases: 0,
            stored: SmallVec::new(),
            stored_bytes: 0,
            max_bytes: 0,
            position: 0,
            given: 0,
            polled: false,
            peeked: None,
            waker: None,
            incomplete: false,
            ended: false,
        }
    }
}

impl<B: Body> BodyState<B> {
    pub(super) fn store(&mut self, body: B, length: Option<u64>, max_bytes: usize) {
        (self.size, self.empty) = (body.size_hint(), body.is_end_stream());
        (self.length, self.max_bytes) = (length, max_bytes);
        self.body = Some(body);
    }

    pub(super) fn announce(&mut self, length: Option<u64>) {
        self.length = length;
    }

    /// Returns the number of the new lease; `None` for a body without data.
    pub(super) fn start_lease(&mut self) -> Option<u32> {
        if self.empty {
            return None;
        }
        self.leases += 1;
        (self.position, self.given) = (0, 0);
        Some(self.leases)
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Whether the next poll of the body is ready: the body has ended, or a frame was peeked.
    pub(super) fn is_ready(&self) -> bool {
        self.ended || self.peeked.is_some()
    }

    pub(super) fn take_unpolled(&mut self) -> Option<B> {
        if self.polled { None } else { self.body.take() }
    }

    /// Takes everything that is the user's.
    pub(super) fn take(&mut self) -> impl Sized + use<B> {
        (self.body.take(), std::mem::take(&mut self.stored), self.peeked.take(), self.waker.take())
    }

    pub(super) fn stop_storing(&mut self) {
        self.incomplete = true;
    }

    /// Takes the stored frames that no lease will read again: all of them, once the body cannot be replayed and the
    /// current lease has read past them.
    pub(super) fn take_unneeded(&mut self) -> StoredFrames<B::Data> {
        if !self.incomplete || self.position < self.stored.len() {
            return SmallVec::new();
        }
        self.position = 0;
        std::mem::take(&mut self.stored)
    }

    /// Whether the current lease has given the whole body.
    #[inline]
    pub(super) fn is_end_stream(&self) -> bool {
        let more = self.peeked.is_some() || self.body.as_ref().is_some_and(|body| !body.is_end_stream());
        let live = !self.ended && more;
        !live && self.position >= self.stored.len()
    }

    /// What the current lease has still to give.
    #[inline]
    pub(super) fn view(&self) -> LeaseView {
        let mut rest = SizeHint::new();
        rest.set_lower(self.size.lower().saturating_sub(self.given));
        if let Some(upper) = self.size.upper() {
            rest.set_upper(upper.saturating_sub(self.given));
        }
        LeaseView { rest, ended: self.is_end_stream() }
    }
}

impl<B> BodyState<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// Whether the client has taken the whole body from the current lease.
    pub(super) fn is_fully_taken(&mut self) -> bool {
        let length = self.length.or(self.size.exact()).filter(|length| *length > 0);
        self.empty || self.is_end_stream() || length == Some(self.given) || self.peek_end()
    }

    /// Polls a body that the current lease has polled before; returns whether the body has ended.
    fn peek_end(&mut self) -> bool {
        if !self.polled || self.position < self.stored.len() || self.peeked.is_some() {
            return false;
        }
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return false };
        // Keep the waker of the task that waits for a frame.
        let waker = self.waker.as_ref().unwrap_or(Waker::noop());
        match Pin::new(body).poll_frame(&mut Context::from_waker(waker)) {
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(frame) => self.peeked = frame.map(|frame| Box::new(frame.map_err(Into::into))),
            Poll::Pending => {}
        }
        self.ended
    }

    /// The next frame of the current lease: stored, peeked, or polled from the body.
    #[inline]
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> PollFrame<B::Data>
    where
        B::Data: Clone,
    {
        let frame = match self.stored.get(self.position) {
            Some(stored) => {
                self.position += 1;
                Some(Ok(stored.clone().into_frame()))
            }
            None => ready!(self.poll_body(cx)),
        };
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.given += data.remaining() as u64;
        }
        Poll::Ready(frame)
    }

    #[inline]
    fn poll_body(&mut self, cx: &mut Context<'_>) -> PollFrame<B::Data>
    where
        B::Data: Clone,
    {
        self.polled = true;
        let Some(body) = self.body.as_mut().filter(|_| !self.ended) else { return Poll::Ready(None) };
        let polled = match self.peeked.take() {
            Some(frame) => Some(*frame),
            None => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(polled) => polled.map(|frame| frame.map_err(Into::into)),
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            },
        };
        if self.waker.is_some() {
            self.waker = None;
        }
        match &polled {
            Some(Ok(frame)) => self.store_frame(frame),
            Some(Err(_)) => self.incomplete = true,
            None => {}
        }
        let is_last = |frame: &Result<Frame<B::Data>, BoxError>| frame.as_ref().is_ok_and(Frame::is_trailers);
        self.ended = polled.as_ref().is_none_or(is_last) || self.is_end_stream();
        Poll::Ready(polled)
    }

    #[inline]
    fn store_frame(&mut self, frame: &Frame<B::Data>)
    where
        B::Data: Clone,
    {
        if self.incomplete {
            return;
        }
        self.stored_bytes += frame.data_ref().map_or(0, Buf::remaining);
        let fits = self.stored_bytes <= self.max_bytes && self.stored.len() < MAX_FRAMES;
        match if fits { StoredFrame::of(frame) } else { None } {
            Some(stored) => {
                self.stored.push(stored);
                self.position = self.stored.len();
            }
            None => self.incomplete = true,
        }
    }
}
