use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::conn::Conn;
use super::options::{Options, retires};
use super::reaper;
use super::state::{Deferred, Home, Limits, Served, State, Why};
use crate::error::{PoolConnectError, QueueFullError};
use crate::record::{Attempt, Origin, OriginParts, Protocol, Registry, origin_hasher};
use crate::settings::PoolSettings;
use crate::timer::Timers;
use crate::util::list::Key;

pub(super) type ConnState<B> = State<Arc<Conn<B>>, PoolConnectError>;

/// The state of a pool behind its lock.
pub(super) struct Core<B> {
    pub(super) options: Options,
    /// Each request comes from an observe layer.
    pub(super) observed: bool,
    /// In force now.
    settings: ArcSwap<PoolSettings>,
    /// Wakes the task that closes idle connections, after other settings were stored.
    pub(super) changed: Arc<Notify>,
    pub(super) timers: Timers,
    state: Mutex<ConnState<B>>,
    /// The pool is closed, and nothing is open any more.
    emptied: Notify,
    /// The stack whose limits hold for all of its pools together.
    pub(super) stack: OnceLock<Registry>,
    /// The limit of connections is that of the stack.
    pub(super) shares_limit: AtomicBool,
    /// The task that closes idle connections in time.
    reaper: Mutex<Option<AbortHandle>>,
}

/// What a request finds, and what it comes across.
pub(super) struct Found<B> {
    pub(super) checkout: Checkout<B>,
    /// Connections that were found dead.
    pub(super) dead: Vec<Arc<Conn<B>>>,
    /// No task closes idle connections in time.
    pub(super) lacks_reaper: bool,
}

/// What a request finds.
pub(super) enum Checkout<B> {
    Served(Served<Arc<Conn<B>>>),
    /// It waits.
    Waiting(Key),
    Full(QueueFullError),
}

impl<B> Core<B> {
    pub(super) fn new(options: Options) -> Self {
        let state = Mutex::new(State::new(Limits::from(&options.settings), origin_hasher()));
        Self {
            settings: ArcSwap::from_pointee(options.settings),
            observed: Attempt::is_body::<B>(),
            changed: Arc::new(Notify::new()),
            options,
            timers: Timers::default(),
            state,
            emptied: Notify::new(),
            stack: OnceLock::new(),
            shares_limit: AtomicBool::new(false),
            reaper: Mutex::new(None),
        }
    }

    /// The settings in force.
    pub(super) fn settings(&self) -> Guard<Arc<PoolSettings>> {
        self.settings.load()
    }

    /// Takes other settings: what the code has set in the pool's builder stays. More connections than the limits allow now
    /// finish what they do.
    pub(super) fn apply(&self, settings: &PoolSettings) {
        let mut settings = *settings;
        let of_stack = settings.max_connections_per_origin;
        self.options.changes.iter().for_each(|change| change(&mut settings));
        self.shares_limit.store(settings.max_connections_per_origin == of_stack, Ordering::Relaxed);
        self.settings.store(Arc::new(settings));
        let retires = |opened| retires(settings.max_age, opened);
        self.with(|state, now, deferred| {
            state.set_limits(Limits::from(&settings), retires, now(), deferred);
        });
        self.changed.notify_one();
    }

    /// Changes the state, and then does what the change asks for. The second argument reads the clock.
    pub(super) fn with<R>(
        &self,
        change: impl FnOnce(&mut ConnState<B>, fn() -> Instant, &mut Deferred<Arc<Conn<B>>>) -> R,
    ) -> R {
        let mut deferred = Deferred::default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state, Instant::now, &mut deferred);
        let emptied = state.is_emptied();
        drop(state);
        if !deferred.is_empty() {
            let Deferred { wake, dropped, close, unused, .. } = deferred;
            for waker in wake {
                waker.wake();
            }
            for (conn, why) in close {
                conn.close(why);
            }
            drop((dropped, unused));
        }
        if emptied {
            self.emptied.notify_waiters();
        }
        result
    }

    /// Closes what is idle, and from now on whatever becomes idle, until nothing is open. Returns how much is open after the
    /// limit.
    pub(super) async fn shutdown(&self, limit: Duration) -> usize {
        self.with(|state, _, deferred| state.retire_all(None, Why::Reset, deferred));
        self.close();
        let wait = async {
            let mut emptied = pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.open() > 0 {
                emptied.await;
            }
        };
        let _ = timeout(limit, wait).await;
        self.open()
    }

    fn open(&self) -> usize {
        self.with(|state, _, _| state.counts().0)
    }

    /// Takes a connection to the origin, or joins its queue. `home`: where the request is. `now`: if it is known.
    pub(super) fn checkout(
        &self,
        (parts, hash): (OriginParts<'_>, u64),
        home: Home,
        now: Option<Instant>,
    ) -> Found<B> {
        // Over plain text, the protocol is known before the first connect.
        let protocol = match (self.options.http2_only, parts.scheme) {
            (true, _) => Some(Protocol::Http2),
            (false, "http") => Some(Protocol::Http1),
            (false, _) => None,
        };
        let mut look = false;
        let found = self.with(|state, clock, deferred| {
            let origin = state.origin(hash, parts, protocol);
            let found = state.checkout(origin, home, now.unwrap_or_else(clock), deferred);
            let dead = deferred.close.iter().filter(|(_, why)| *why == Why::Unusable);
            let dead = dead.map(|(conn, _)| conn.clone()).collect();
            let lacks_reaper = state.lacks_reaper();
            if let Some(served) = found {
                return Found { checkout: Checkout::Served(served), dead, lacks_reaper };
            }
            let checkout = match state.join(origin, home, deferred) {
                Ok(waiter) => {
                    // What drains may be silent.
                    look = state.has_draining();
                    Checkout::Waiting(waiter)
                }
                Err(occupancy) => {
                    Checkout::Full(QueueFullError::new(state.origin_of(origin).clone(), occupancy))
                }
            };
            Found { checkout, dead, lacks_reaper }
        });
        if look {
            self.changed.notify_one();
        }
        found
    }

    /// The record of an origin that was asked for.
    pub(super) fn origin(&self, parts: OriginParts<'_>) -> Option<(Key, Origin)> {
        let hash = parts.hash();
        self.with(|state, _, _| state.known_origin(hash, parts))
    }

    /// Starts the task that closes idle connections in time, if it is wanted.
    pub(super) fn start_reaper(self: &Arc<Self>)
    where
        B: Send + 'static,
    {
        if self.with(|state, _, _| state.wants_reaper()) {
            let task = reaper::start(self);
            let before = self.reaper.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
            drop(before);
        }
    }

    /// Closes what is idle, and from now on whatever becomes idle.
    pub(super) fn close(&self) {
        self.with(|state, _, deferred| state.close(deferred));
        let reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reaper) = reaper {
            reaper.abort();
        }
    }
}

impl<B> fmt::Debug for Core<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, idle, waiting) = self.with(|state, _, _| state.counts());
        f.debug_struct("Core")
            .field("open", &open)
            .field("idle", &idle)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}
