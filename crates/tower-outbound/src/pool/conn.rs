use std::fmt;
use std::future::Future;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use http::uri::Authority;
use http::{Extensions, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::client::legacy::connect::{Connected, HttpInfo};
use tokio_util::sync::ReusableBoxFuture;

use super::core::Core;
use super::state::{Pooled, Settles, Traffic, Why};
use crate::error::PoolConnectError;
use crate::failure::Failure;
use crate::record::{Attempt, CloseHint, Connection, OwnPool, PoolHandle};
use crate::util::list::Key;

/// What hyper answers to a request.
pub(super) type Answer<B> = Result<Response<Incoming>, TrySendError<Request<B>>>;
/// The wait for that answer. hyper's future has no name; its memory is used again.
pub(super) type Sending<B> = ReusableBoxFuture<'static, Answer<B>>;

/// How many futures of finished requests a connection keeps for the next ones.
const KEPT: usize = 4;
/// How long the end of a poll of hyper on another thread is waited for.
const SPINS: u32 = 10_000;

/// A connection that is open.
pub(super) struct Conn<B> {
    pub(super) core: Arc<Core<B>>,
    pub(super) link: Key,
    connected: Connected,
    /// The record, if the connector is tracked.
    record: Option<Connection>,
    /// The connector says more of the connection than the record has.
    has_extras: bool,
    http2: bool,
    /// The most streams that the peer allows (HTTP/2).
    streams: AtomicUsize,
    /// The first request's authority, and the value of its `host`.
    host: OnceLock<(Authority, HeaderValue)>,
    seat: Mutex<Seat<B>>,
    /// A response has ended, and hyper does not want another request yet (HTTP/1).
    settling: AtomicBool,
    /// The request that is being served has a body (HTTP/1).
    uploads: AtomicBool,
    /// The task has ended.
    ended: AtomicBool,
    /// The error that has ended the connection.
    end_cause: OnceLock<PoolConnectError>,
    /// The request that waits for that: the first one of the connection.
    end_waiter: Mutex<Option<Waker>>,
    /// Somebody has taken the connection out of the pool.
    poisoned: AtomicBool,
    /// hyper is being polled, and may take a request (HTTP/2).
    polling: AtomicBool,
    /// What drives the connection.
    task: OnceLock<Waker>,
}

/// A poll of hyper that is under way.
pub(super) struct Polling<'a>(&'a AtomicBool);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The place of the only sender.
struct Seat<B> {
    /// `None` when no request may be sent any more.
    sender: Option<Sender<B>>,
    futures: Vec<Sending<B>>,
}

/// hyper's sender.
pub(super) enum Sender<B> {
    Http1(http1::SendRequest<B>),
    Http2(http2::SendRequest<B>),
}

impl<B> Sender<B> {
    fn is_ready(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_ready(),
            Self::Http2(sender) => sender.is_ready(),
        }
    }
}

impl<B> Conn<B> {
    pub(super) fn new(
        core: Arc<Core<B>>,
        link: Key,
        connected: Connected,
        sender: Sender<B>,
        streams: Option<usize>,
    ) -> Self {
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        let record = extras.remove();
        // Addresses, which the record has.
        extras.remove::<HttpInfo>();
        Self {
            core,
            link,
            connected,
            record,
            has_extras: !extras.is_empty(),
            http2: matches!(sender, Sender::Http2(_)),
            streams: AtomicUsize::new(streams.unwrap_or_default()),
            host: OnceLock::new(),
            seat: Mutex::new(Seat { sender: Some(sender), futures: Vec::new() }),
            settling: AtomicBool::new(false),
            uploads: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            end_cause: OnceLock::new(),
            end_waiter: Mutex::new(None),
            poisoned: AtomicBool::new(false),
            polling: AtomicBool::new(false),
            task: OnceLock::new(),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

    /// Whether requests go to a proxy that takes absolute URIs.
    pub(super) fn is_proxied(&self) -> bool {
        self.connected.is_proxied()
    }

    /// The record, if the connector is tracked.
    pub(super) fn record(&self) -> Option<&Connection> {
        self.record.as_ref()
    }

    /// Puts what the connector says of the connection into the extensions of a response: unless its attempt, whose timings are
    /// there, has all of that.
    pub(super) fn name_in<R>(&self, response: &mut Response<R>) {
        let known = self.core.observed && self.record.as_ref().is_some_and(Attempt::is_current_served_by);
        if self.has_extras || !known {
            self.connected.get_extras(response.extensions_mut());
        }
    }

    /// The value of `host` for a request. Most requests of a connection have the authority of the first one.
    pub(super) fn host(&self, authority: &Authority, host: impl Fn() -> HeaderValue) -> HeaderValue {
        let (known, value) = self.host.get_or_init(|| (authority.clone(), host()));
        if known.as_str() == authority.as_str() { value.clone() } else { host() }
    }

    fn seat(&self) -> MutexGuard<'_, Seat<B>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ready(&self) -> bool {
        self.seat().sender.as_ref().is_some_and(Sender::is_ready)
    }

    /// No further request is sent. Those that were sent go on; then hyper closes the connection.
    pub(super) fn close(&self, why: Why) {
        let hint = match why {
            Why::Idle => Some(CloseHint::IdleTimeout),
            Why::MaxAge => Some(CloseHint::MaxAge),
            Why::MaxUses => Some(CloseHint::MaxUses),
            Why::Reset => Some(CloseHint::Reset),
            Why::Surplus => Some(CloseHint::Surplus),
            Why::PoolGone => Some(CloseHint::Dropped),
            Why::Unusable => None,
        };
        if let (Some(record), Some(hint)) = (&self.record, hint) {
            record.io().hint(hint);
        }
        let sender = self.seat().sender.take();
        drop(sender);
    }

    /// The request has ended its use.
    pub(super) fn end_lease(&self) {
        if self.http2 || self.is_ready() {
            return self.give_back();
        }
        let settles = if self.uploads.load(Ordering::Relaxed) { Settles::Possibly } else { Settles::Surely };
        self.core.with(|state, _, _| state.settling(self.link, settles));
        self.settling.store(true, Ordering::SeqCst);
        if self.ended.load(Ordering::SeqCst) || self.is_ready() {
            self.settle();
        }
    }

    /// The task has polled hyper. `streams`: how many the peer allows now (HTTP/2).
    pub(super) fn polled(&self, streams: Option<usize>) {
        if let Some(streams) = streams {
            if self.streams.swap(streams, Ordering::AcqRel) < streams {
                self.core.with(|state, now, deferred| state.streams_changed(self.link, now(), deferred));
            }
            return;
        }
        if self.settling.load(Ordering::SeqCst) && self.is_ready() {
            self.settle();
        }
    }

    /// hyper is polled until the guard is dropped (HTTP/2).
    pub(super) fn begin_poll(&self) -> Option<Polling<'_>> {
        self.http2.then(|| {
            self.polling.store(true, Ordering::Relaxed);
            // Against `takes_nothing_dropped`: one of the two threads sees what the other did.
            fence(Ordering::SeqCst);
            Polling(&self.polling)
        })
    }

    /// Whether hyper takes no request any more whose future is dropped: it asks before it takes one, in a poll, and none
    /// is under way. `false` also if a poll takes long (HTTP/2).
    pub(super) fn takes_nothing_dropped(&self) -> bool {
        fence(Ordering::SeqCst);
        (0..SPINS).any(|_| {
            let between = !self.polling.load(Ordering::Acquire);
            if !between {
                spin_loop();
            }
            between
        })
    }

    /// hyper has ended the connection with an error.
    pub(super) fn failed(&self, error: hyper::Error) {
        let _ = self.end_cause.set(PoolConnectError::new(error));
    }

    /// Whether the task has ended, and with it the IO.
    pub(super) fn poll_ended(&self, cx: &Context<'_>) -> bool {
        let before = self.end_waiter().replace(cx.waker().clone());
        drop(before);
        // Against `task_ended`: one of the two threads sees what the other did.
        self.ended.load(Ordering::SeqCst)
    }

    /// The error that has ended the connection, if there was one.
    pub(super) fn end_cause(&self) -> Option<PoolConnectError> {
        self.end_cause.get().cloned()
    }

    fn end_waiter(&self) -> MutexGuard<'_, Option<Waker>> {
        self.end_waiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why its IO failed, if the connector is tracked.
    pub(super) fn io_failure(&self) -> Option<&Failure> {
        self.record.as_ref()?.io().failure()
    }

    /// The task ends, and with it the IO.
    pub(super) fn task_ended(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let waiter = self.end_waiter().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        let sender = self.seat().sender.take();
        // A request that hyper has not taken goes back to its future now.
        drop(sender);
        self.settle();
    }

    fn settle(&self) {
        if self.settling.swap(false, Ordering::SeqCst) {
            self.give_back();
        }
    }

    fn give_back(&self) {
        self.core.with(|state, now, deferred| state.give_back(self.link, now(), deferred));
    }

    pub(super) fn keep(&self, future: Sending<B>) {
        let mut seat = self.seat();
        if seat.futures.len() < KEPT {
            seat.futures.push(future);
        }
    }
}

impl<B: http_body::Body + Send + 'static> Conn<B> {
    /// Hands the request to hyper.
    ///
    /// # Errors
    /// The request, if no request may be sent any more.
    pub(super) fn send(&self, request: Request<B>) -> Result<Sending<B>, Box<Request<B>>> {
        let mut seat = self.seat();
        let Seat { sender, futures } = &mut *seat;
        // Without a sender, or with one that is not ready, nothing of the request is sent.
        let Some(sender) = sender.as_mut() else { return Err(Box::new(request)) };
        Ok(match sender {
            Sender::Http1(sender) => {
                self.uploads.store(request.body().size_hint().exact() != Some(0), Ordering::Relaxed);
                reuse(futures.pop(), sender.try_send_request(request))
            }
            Sender::Http2(sender) => reuse(futures.pop(), sender.try_send_request(request)),
        })
    }
}

impl<B: Send + 'static> Conn<B> {
    /// Lets the layers take the connection out of the pool.
    pub(super) fn announce(self: &Arc<Self>) {
        if let Some(record) = &self.record {
            let pool = Arc::downgrade(&self.core) as Weak<dyn OwnPool>;
            record.set_pool_handle(Arc::new(Held(Arc::downgrade(self))), &pool);
        }
    }
}

fn reuse<B: 'static>(
    kept: Option<Sending<B>>,
    future: impl Future<Output = Answer<B>> + Send + 'static,
) -> Sending<B> {
    match kept {
        None => ReusableBoxFuture::new(future),
        Some(mut kept) => {
            kept.set(future);
            kept
        }
    }
}

impl<B> Conn<B> {
    /// The task that drives the connection.
    pub(super) fn set_task(&self, cx: &Context<'_>) {
        let _ = self.task.get_or_init(|| cx.waker().clone());
    }

    /// Ends the connection, although its requests are not answered: they fail.
    pub(super) fn cut(&self) {
        if let Some(record) = &self.record {
            record.cut();
        }
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

impl<B> Pooled for Arc<Conn<B>> {
    fn is_usable(&self) -> bool {
        !self.poisoned.load(Ordering::Acquire) && self.is_ready()
    }

    fn keep_alive(&self) -> Option<Duration> {
        self.record.as_ref()?.io().keep_alive()
    }

    fn streams(&self) -> Option<usize> {
        self.http2.then(|| self.streams.load(Ordering::Acquire))
    }

    fn traffic(&self) -> Option<Traffic> {
        let record = self.record.as_ref()?;
        Some(Traffic {
            heard: record.heard(),
            unanswered: record.unanswered_since(),
            slot_wanted: record.origin().has_slot_waiters(),
        })
    }
}

impl<B> fmt::Debug for Conn<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn").field("link", &self.link).field("http2", &self.http2).finish_non_exhaustive()
    }
}

/// The pool's hold on a connection, for its record.
struct Held<B>(Weak<Conn<B>>);

impl<B: Send + 'static> PoolHandle for Held<B> {
    fn connection(&self) -> Option<Connection> {
        self.0.upgrade()?.record.clone()
    }

    fn poison(&self) {
        if let Some(conn) = self.0.upgrade() {
            conn.poisoned.store(true, Ordering::Release);
        }
    }
}

impl<B> fmt::Debug for Held<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
