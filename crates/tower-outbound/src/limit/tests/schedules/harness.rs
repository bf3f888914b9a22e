//! [`Harness`]: a limiter with its observer, and its callers.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker};

use shuttle::future::block_on;

use super::super::super::acquire::Acquire;
use super::super::super::limiter::{Holder, Limiter};
use super::super::super::permit::Permit;
use super::ledger::{Caller, Ledger};
use crate::error::QueueFullError;
use crate::event::{Event, ObserversBuilder};
use crate::record::{Origin, Registry};
use crate::settings::{InFlightSettings, StackSettings};

/// How the wait of a caller ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum WaitEnd {
    Granted,
    Cancelled,
    TimedOut,
}

/// How often the interesting cases occurred, in all schedules.
#[derive(Debug, Default)]
pub(super) struct Tally {
    waited: AtomicUsize,
    granted_while_cancelling: AtomicUsize,
    granted_at_timeout: AtomicUsize,
    full: AtomicUsize,
}

pub(super) struct Harness {
    settings: InFlightSettings,
    limiter: Arc<Limiter>,
    origins: Vec<Origin>,
    /// std's lock, which is no step of a schedule.
    ledger: Arc<Mutex<Ledger>>,
    cancelled: Mutex<Vec<Arc<LockingWaker>>>,
    tally: Arc<Tally>,
    /// Whether wakers, observers and bodies take no step of their own, which makes fewer schedules.
    plain: bool,
}

/// A caller in the queue, polled once.
pub(super) struct Waiter {
    acquire: Acquire,
    caller: Caller,
    waker: Arc<LockingWaker>,
}

/// A waker that locks the queue when it wakes and when it is dropped, as the task behind it may.
struct LockingWaker {
    limiter: Option<Arc<Limiter>>,
    wakes: AtomicUsize,
    thread: Waker,
}

/// A step of the schedule. Fails if this thread holds the lock already.
fn lock(limiter: Option<&Limiter>) {
    if let Some(limiter) = limiter {
        drop(limiter.lock());
    }
}

impl Wake for LockingWaker {
    fn wake(self: Arc<Self>) {
        lock(self.limiter.as_deref());
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.thread.wake_by_ref();
    }
}

impl Drop for LockingWaker {
    fn drop(&mut self) {
        lock(self.limiter.as_deref());
    }
}

impl Harness {
    pub(super) fn new(settings: InFlightSettings, origins: usize, tally: Arc<Tally>, plain: bool) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(settings, origins)));
        let watched = Arc::new(OnceLock::<Weak<Limiter>>::new());
        let mut observers = ObserversBuilder::default();
        observers.push({
            let (ledger, watched) = (Arc::clone(&ledger), Arc::clone(&watched));
            move |event: &Event<'_>| {
                // As an observer that sends a request of its own.
                lock(watched.get().and_then(Weak::upgrade).as_deref());
                ledger.lock().unwrap().observe(event);
            }
        });
        let registry = Registry::new(observers.build(), StackSettings::default());
        let origin = |at| registry.origin(&format!("http://peer.test:{}/", at + 1).parse().unwrap());
        let origins = (0..origins).map(origin).collect();
        let limiter = Arc::new(Limiter::new(registry, Some(settings)));
        if !plain {
            watched.set(Arc::downgrade(&limiter)).unwrap();
        }
        Self { settings, limiter, origins, ledger, cancelled: Mutex::default(), tally, plain }
    }

    /// One request, from its arrival to the end of its response's body.
    pub(super) fn call(&self, origin: usize, wait_end: WaitEnd) {
        match self.arrive(origin) {
            Ok((permit, caller)) => self.hold(permit, &caller),
            Err((holder, caller)) => {
                if let Some(waiter) = self.enqueue(holder, caller) {
                    self.wait(waiter, wait_end);
                }
            }
        }
    }

    pub(super) fn arrive(&self, origin: usize) -> Result<(Permit, Caller), (Holder, Caller)> {
        let caller = self.ledger().arrive(origin);
        let holder = Holder { origin: self.origins[origin].clone(), attempt: None };
        match self.limiter.try_acquire(holder) {
            Ok(permit) => {
                self.ledger().acquire(&caller);
                Ok((permit, caller))
            }
            Err(holder) => Err((holder, caller)),
        }
    }

    /// Returns `None` if a slot became free meanwhile, and if the queue is full.
    pub(super) fn enqueue(&self, holder: Holder, caller: Caller) -> Option<Waiter> {
        let mut acquire = Acquire::new(Arc::clone(&self.limiter), holder);
        let waker = self.waker(Waker::noop());
        match acquire.poll(&mut Context::from_waker(&Arc::clone(&waker).into())) {
            Poll::Ready(Ok(permit)) => {
                self.ledger().acquire(&caller);
                self.hold(permit, &caller);
                None
            }
            Poll::Ready(Err(error)) => {
                assert!(error.is::<QueueFullError>() && self.settings.max_queued < usize::MAX, "{error}");
                self.tally.full.fetch_add(1, Ordering::Relaxed);
                None
            }
            Poll::Pending => {
                self.ledger().enqueue(&caller);
                Some(Waiter { acquire, caller, waker })
            }
        }
    }

    pub(super) fn wait(&self, waiter: Waiter, wait_end: WaitEnd) {
        let Waiter { mut acquire, caller, waker } = waiter;
        let permit = match wait_end {
            WaitEnd::Granted => {
                // Another waker than before, as if the future had moved to another task.
                drop(waker);
                let mut waker = None;
                let permit = block_on(poll_fn(|cx| {
                    let waker = waker.get_or_insert_with(|| Waker::from(self.waker(cx.waker())));
                    acquire.poll(&mut Context::from_waker(waker))
                }));
                self.tally.waited.fetch_add(1, Ordering::Relaxed);
                Some(permit.expect("a waiter that stays is served"))
            }
            WaitEnd::Cancelled => {
                self.ledger().leave(&caller);
                drop(acquire);
                self.cancelled.lock().unwrap().push(waker);
                None
            }
            WaitEnd::TimedOut => {
                self.ledger().leave(&caller);
                // As after the timeout, without a clock.
                let queued = acquire.queued.expect("the caller waits");
                let permit = acquire.give_up(queued).ok();
                self.tally.granted_at_timeout.fetch_add(usize::from(permit.is_some()), Ordering::Relaxed);
                permit
            }
        };
        if let Some(permit) = permit {
            self.ledger().acquire(&caller);
            self.hold(permit, &caller);
        }
    }

    pub(super) fn hold(&self, permit: Permit, caller: &Caller) {
        // A step for the body.
        lock((!self.plain).then_some(&self.limiter));
        self.ledger().release(caller);
        drop(permit);
    }

    /// Checks at the end that nothing is held and that the events add up.
    pub(super) fn end(self) {
        assert_eq!(self.limiter.lock().counts(), (0, 0), "slots held, and waiters");
        let Self { limiter, ledger, cancelled, tally, .. } = self;
        let cancelled = cancelled.into_inner().unwrap();
        let granted = cancelled.iter().filter(|waker| waker.wakes.load(Ordering::Relaxed) > 0).count();
        tally.granted_while_cancelling.fetch_add(granted, Ordering::Relaxed);
        drop(cancelled);
        Arc::into_inner(limiter).expect("nobody has kept the limiter");
        ledger.lock().unwrap().end();
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    fn waker(&self, thread: &Waker) -> Arc<LockingWaker> {
        let limiter = (!self.plain).then(|| Arc::clone(&self.limiter));
        Arc::new(LockingWaker { limiter, wakes: AtomicUsize::new(0), thread: thread.clone() })
    }
}

impl Tally {
    pub(super) fn waited(&self) -> usize {
        self.waited.load(Ordering::Relaxed)
    }

    pub(super) fn granted_while_cancelling(&self) -> usize {
        self.granted_while_cancelling.load(Ordering::Relaxed)
    }

    pub(super) fn granted_at_timeout(&self) -> usize {
        self.granted_at_timeout.load(Ordering::Relaxed)
    }

    pub(super) fn full(&self) -> usize {
        self.full.load(Ordering::Relaxed)
    }
}
