//! A limiter with its observer, and those who call it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use shuttle::future::block_on;

use super::super::{Holder, Limiter, Permit, Queued, Turns, Wait};
use super::seen::{Caller, Limits};
use crate::error::QueueFullError;
use crate::event::{Event, ObserversBuilder};
use crate::record::{Origin, Registry, Seen};

/// What a caller does that has to wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    Stays,
    Cancels,
    /// Its acquire timeout is over.
    TimesOut,
}

/// How often it came to what is to be tried, in all schedules.
#[derive(Debug, Default)]
pub(super) struct Tally {
    waited: AtomicUsize,
    granted_while_cancelling: AtomicUsize,
    granted_at_the_timeout: AtomicUsize,
    full: AtomicUsize,
}

pub(super) struct Table {
    limits: Limits,
    limiter: Arc<Limiter>,
    origins: Vec<Origin>,
    /// Under a lock that is no step of a schedule.
    seen: Arc<Mutex<Seen>>,
    cancelled: Mutex<Vec<Arc<Bell>>>,
    tally: Arc<Tally>,
    /// Whether wakers, observers and bodies take no step of their own: there are fewer schedules then.
    plain: bool,
}

/// One that is in the queue, polled once.
pub(super) struct Waiter {
    wait: Wait,
    caller: Caller,
    bell: Arc<Bell>,
}

/// A waker that takes the lock of the turns when it wakes and when it is dropped, as the task behind it may.
struct Bell {
    limiter: Option<Arc<Limiter>>,
    rung: AtomicUsize,
    thread: Waker,
}

/// A step at which others may have their turn; it fails where the lock is held already.
fn lock(limiter: Option<&Limiter>) {
    if let Some(limiter) = limiter {
        drop(limiter.turns());
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        lock(self.limiter.as_deref());
        self.rung.fetch_add(1, Ordering::Relaxed);
        self.thread.wake_by_ref();
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        lock(self.limiter.as_deref());
    }
}

impl Table {
    pub(super) fn new(limits: Limits, origins: usize, tally: Arc<Tally>, plain: bool) -> Self {
        let seen = Arc::new(Mutex::new(Seen::new(limits, origins)));
        let watched = Arc::new(OnceLock::<Weak<Limiter>>::new());
        let mut observers = ObserversBuilder::default();
        observers.push({
            let (seen, watched) = (Arc::clone(&seen), Arc::clone(&watched));
            move |event: &Event<'_>| {
                // As an observer may that sends a request of its own.
                lock(watched.get().and_then(Weak::upgrade).as_deref());
                seen.lock().unwrap().observe(event);
            }
        });
        let registry = Registry::new(observers.build(), crate::settings::Settings::default());
        let origin = |at| registry.origin(&format!("http://peer.test:{}/", at + 1).parse().unwrap());
        let origins = (0..origins).map(origin).collect();
        let turns = Turns::new(limits.per_origin, limits.total, limits.max_waiting);
        let limiter = Arc::new(Limiter::new(registry.clone(), turns, Duration::ZERO));
        if !plain {
            watched.set(Arc::downgrade(&limiter)).unwrap();
        }
        Self { limits, limiter, origins, seen, cancelled: Mutex::default(), tally, plain }
    }

    /// One request, from its arrival to the end of its response's body.
    pub(super) fn call(&self, origin: usize, patience: Patience) {
        match self.take(origin) {
            Ok((permit, caller)) => self.hold(permit, &caller),
            Err((holder, caller)) => {
                if let Some(waiter) = self.join(holder, caller) {
                    self.wait(waiter, patience);
                }
            }
        }
    }

    pub(super) fn take(&self, origin: usize) -> Result<(Permit, Caller), (Holder, Caller)> {
        let caller = self.seen().arrive(origin);
        let holder = Holder { origin: self.origins[origin].clone(), attempt: None };
        match self.limiter.take(holder) {
            Ok(permit) => {
                self.seen().take(&caller);
                Ok((permit, caller))
            }
            Err(holder) => Err((holder, caller)),
        }
    }

    /// `None` where there was no need to wait after all, and where the queue is full.
    pub(super) fn join(&self, holder: Holder, caller: Caller) -> Option<Waiter> {
        let mut wait = Wait::new(Arc::clone(&self.limiter), holder);
        let bell = self.bell(Waker::noop());
        match wait.poll(&mut Context::from_waker(&Arc::clone(&bell).into())) {
            Poll::Ready(Ok(permit)) => {
                self.seen().take(&caller);
                self.hold(permit, &caller);
                None
            }
            Poll::Ready(Err(error)) => {
                assert!(error.is::<QueueFullError>() && self.limits.max_waiting < usize::MAX, "{error}");
                self.tally.full.fetch_add(1, Ordering::Relaxed);
                None
            }
            Poll::Pending => {
                self.seen().join(&caller);
                Some(Waiter { wait, caller, bell })
            }
        }
    }

    pub(super) fn wait(&self, waiter: Waiter, patience: Patience) {
        let Waiter { mut wait, caller, bell } = waiter;
        let permit = match patience {
            Patience::Stays => {
                // Another waker than before: the future has moved to another task.
                drop(bell);
                let mut bell = None;
                let permit = block_on(poll_fn(|cx| {
                    let bell = bell.get_or_insert_with(|| Waker::from(self.bell(cx.waker())));
                    wait.poll(&mut Context::from_waker(bell))
                }));
                self.tally.waited.fetch_add(1, Ordering::Relaxed);
                Some(permit.expect("who stays is served"))
            }
            Patience::Cancels => {
                self.seen().leave(&caller);
                drop(wait);
                self.cancelled.lock().unwrap().push(bell);
                None
            }
            Patience::TimesOut => {
                self.seen().leave(&caller);
                let Some(Queued { ticket, since }) = wait.queued else { unreachable!("it has joined") };
                let permit = wait.give_up(ticket, since).ok();
                self.tally.granted_at_the_timeout.fetch_add(usize::from(permit.is_some()), Ordering::Relaxed);
                permit
            }
        };
        if let Some(permit) = permit {
            self.seen().take(&caller);
            self.hold(permit, &caller);
        }
    }

    pub(super) fn hold(&self, permit: Permit, caller: &Caller) {
        // A body is read: others have their turn.
        lock((!self.plain).then_some(&self.limiter));
        self.seen().give_back(caller);
        drop(permit);
    }

    /// When all have ended: nothing is left, and everything was told.
    pub(super) fn end(self) {
        assert_eq!(self.limiter.turns().facts(), (0, 0), "slots held, and tickets");
        let Self { limiter, seen, cancelled, tally, .. } = self;
        let cancelled = cancelled.into_inner().unwrap();
        let granted = cancelled.iter().filter(|bell| bell.rung.load(Ordering::Relaxed) > 0).count();
        tally.granted_while_cancelling.fetch_add(granted, Ordering::Relaxed);
        drop(cancelled);
        Arc::into_inner(limiter).expect("nobody has kept it");
        seen.lock().unwrap().end();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    fn bell(&self, thread: &Waker) -> Arc<Bell> {
        let limiter = (!self.plain).then(|| Arc::clone(&self.limiter));
        Arc::new(Bell { limiter, rung: AtomicUsize::new(0), thread: thread.clone() })
    }
}

impl Tally {
    pub(super) fn waited(&self) -> usize {
        self.waited.load(Ordering::Relaxed)
    }

    pub(super) fn granted_while_cancelling(&self) -> usize {
        self.granted_while_cancelling.load(Ordering::Relaxed)
    }

    pub(super) fn granted_at_the_timeout(&self) -> usize {
        self.granted_at_the_timeout.load(Ordering::Relaxed)
    }

    pub(super) fn full(&self) -> usize {
        self.full.load(Ordering::Relaxed)
    }
}
