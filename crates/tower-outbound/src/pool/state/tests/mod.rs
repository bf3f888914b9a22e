//! The state of a pool under any order of events. What needs a connection is tested in `tests/scenarios/pool`.

mod random;
mod rules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use tokio::time::Instant;

use super::link::{Link, Stage};
use super::{Deferred, Home, Limits, Polled, Pooled, Served, Settles, State, Traffic, Why};
use crate::record::{OriginParts, Protocol};
use crate::util::list::Key;

/// A connection that is usable until the test says otherwise.
#[derive(Clone, Debug)]
struct Fake {
    usable: Arc<AtomicBool>,
    streams: Option<usize>,
}

impl Pooled for Fake {
    fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    fn keep_alive(&self) -> Option<Duration> {
        None
    }

    fn streams(&self) -> Option<usize> {
        self.streams
    }

    fn traffic(&self) -> Option<Traffic> {
        None
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Served { link: Key, number: u64 },
    Waits,
    Full,
    Failed,
}

/// A pool whose connections do what the test says, and the requests on it. Time moves by hand.
struct World {
    state: State<Fake, &'static str>,
    hasher: DefaultHashBuilder,
    now: Instant,
    protocol: Option<Protocol>,
    /// What wakes each waiter. A waiter is polled only if it was woken.
    waiting: BTreeMap<Key, Arc<Woken>>,
    /// The order in which waiters were served or failed.
    answered: Vec<(Key, Fate)>,
    /// Links whose waiter is to connect.
    connecting: Vec<Key>,
    /// Links of the requests that are being served.
    leases: Vec<Key>,
    /// Waiters that hold their connects back.
    held: Vec<Key>,
    /// Closed connections whose task has not ended.
    closing: Vec<Key>,
    closed: Vec<Why>,
    /// Connections that count: of all origins, and of each host. More than the limits may be there after a change of them.
    before: std::cell::Cell<(usize, [usize; 3])>,
}

/// Two runtimes.
fn homes() -> [Home; 2] {
    static IDS: std::sync::OnceLock<[Home; 2]> = std::sync::OnceLock::new();
    *IDS.get_or_init(|| {
        [(); 2].map(|()| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            Some(runtime.handle().id())
        })
    })
}

const HOSTS: [&str; 3] = ["a.test", "b.test", "c.test"];

impl World {
    fn new(limits: Limits, protocol: Option<Protocol>) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self {
            state: State::new(limits, hasher.clone()),
            hasher,
            now: Instant::now(),
            protocol,
            waiting: BTreeMap::new(),
            answered: Vec::new(),
            connecting: Vec::new(),
            leases: Vec::new(),
            held: Vec::new(),
            closing: Vec::new(),
            closed: Vec::new(),
            before: std::cell::Cell::default(),
        }
    }

    fn parts(host: usize) -> OriginParts<'static> {
        OriginParts { scheme: "http", host: HOSTS[host], port: 80 }
    }

    fn origin(&mut self, host: usize) -> Key {
        use std::hash::BuildHasher;

        let parts = Self::parts(host);
        self.state.origin(self.hasher.hash_one(parts), parts, self.protocol)
    }

    /// A change, and what follows from it: wakers are woken, closed connections noted.
    fn change<R>(
        &mut self,
        change: impl FnOnce(&mut State<Fake, &'static str>, &mut Deferred<Fake>) -> R,
    ) -> R {
        let mut deferred = Deferred::default();
        let result = change(&mut self.state, &mut deferred);
        self.finish(deferred);
        self.poll_woken();
        self.check();
        result
    }

    fn finish(&mut self, deferred: Deferred<Fake>) {
        deferred.wake.into_iter().for_each(Waker::wake);
        self.closed.extend(deferred.close.iter().map(|(_, why)| *why));
        let closing = |key: &Key| self.state.links.get(*key).stage == Stage::Closing;
        self.closing = self.state.links.keys().into_iter().filter(closing).collect();
        self.closing.retain(|key| !self.state.links.get(*key).ended);
    }

    fn request(&mut self, host: usize) -> Fate {
        self.request_from(host, None)
    }

    fn request_from(&mut self, host: usize, home: Home) -> Fate {
        let (origin, now) = (self.origin(host), self.now);
        let found = self.change(|state, deferred| state.checkout(origin, home, now, deferred));
        if let Some(served) = found {
            return self.serve(&served);
        }
        let origin = self.origin(host);
        let mut deferred = Deferred::default();
        let joined = self.state.join(origin, home, &mut deferred);
        self.finish(deferred);
        let Ok(waiter) = joined else { return Fate::Full };
        self.answered.retain(|(key, _)| *key != waiter);
        let woken = Arc::new(Woken::default());
        woken.clone().wake();
        self.waiting.insert(waiter, woken);
        self.poll_woken();
        self.check();
        let served = self.answered.iter().position(|(key, _)| *key == waiter);
        served.map_or(Fate::Waits, |at| self.answered.remove(at).1)
    }

    fn serve(&mut self, served: &Served<Fake>) -> Fate {
        self.leases.push(served.grant.link);
        Fate::Served { link: served.grant.link, number: served.grant.number }
    }

    /// Polls the waiters that were woken.
    fn poll_woken(&mut self) {
        let is_woken =
            |(key, woken): (&Key, &Arc<Woken>)| (woken.0.swap(0, Ordering::Relaxed) > 0).then_some(*key);
        let woken: Vec<_> = self.waiting.iter().filter_map(is_woken).collect();
        for key in woken {
            self.poll(key, true);
        }
    }

    fn poll(&mut self, key: Key, patient: bool) {
        self.held.retain(|held| *held != key);
        let waker = Waker::from(self.waiting[&key].clone());
        let mut deferred = Deferred::default();
        let polled = self.state.poll_waiter(key, &waker, patient, &mut deferred);
        self.finish(deferred);
        let fate = match polled {
            Polled::Pending => return,
            Polled::Held(_) => return self.held.push(key),
            Polled::Connect(link) => return self.connecting.push(link),
            Polled::Served(served) => self.serve(&served),
            Polled::Failed(_) => Fate::Failed,
        };
        self.waiting.remove(&key);
        self.answered.push((key, fate));
    }

    /// The caller has its response, and hyper wants no other request yet.
    fn settles(&mut self, at: usize) {
        let link = self.leases[at];
        let open = self.state.links.get(link);
        if open.stage == Stage::Busy && !open.ended && open.settles.is_none() {
            self.change(|state, _| state.settling(link, Settles::Possibly));
        }
    }

    /// A waiter does not hold its connect back any more.
    fn loses_patience(&mut self, at: usize) {
        let waiter = self.held[at];
        self.poll(waiter, false);
        self.poll_woken();
        self.check();
    }

    fn connected(&mut self, at: usize, streams: Option<usize>) {
        let link = self.connecting.remove(at);
        let fake = Fake { usable: Arc::new(AtomicBool::new(true)), streams };
        let now = self.now;
        self.change(|state, deferred| state.connected(link, fake, None, now, deferred));
    }

    fn connect_fails(&mut self, at: usize) {
        let link = self.connecting.remove(at);
        self.change(|state, deferred| state.ended(link, "refused", deferred));
    }

    fn end_lease(&mut self, at: usize) {
        let (link, now) = (self.leases.remove(at), self.now);
        self.change(|state, deferred| state.give_back(link, now, deferred));
    }

    fn cancel(&mut self, at: usize) {
        let waiter = *self.waiting.keys().nth(at).unwrap();
        self.waiting.remove(&waiter);
        self.held.retain(|held| *held != waiter);
        let now = self.now;
        self.change(|state, deferred| state.cancel(waiter, now, deferred));
    }

    /// The task of a closed connection ends.
    fn close_ends(&mut self, at: usize) {
        let link = self.closing[at];
        self.change(|state, deferred| state.ended(link, "closed", deferred));
    }

    /// The peer closes a connection.
    fn dies(&mut self, link: Key) {
        if let Some(connection) = &self.state.links.get(link).connection {
            connection.usable.store(false, Ordering::Relaxed);
        }
        self.change(|state, deferred| state.ended(link, "closed", deferred));
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        self.change(|state, deferred| state.expire(now, deferred));
    }

    fn reset(&mut self) {
        self.change(|state, deferred| state.retire_all(None, Why::Reset, deferred));
    }

    fn set_limits(&mut self, limits: Limits) {
        let now = self.now;
        self.change(|state, deferred| state.set_limits(limits, |_| None, now, deferred));
    }

    fn open_links(&self) -> Vec<Key> {
        let open = |key: &Key| {
            let link = self.state.links.get(*key);
            !link.ended && link.connection.is_some()
        };
        self.state.links.keys().into_iter().filter(open).collect()
    }

    /// What holds between any two changes.
    fn check(&self) {
        let state = &self.state;
        let counts = |key: &Key| !state.links.get(*key).ended;
        let open: Vec<_> = state.links.keys().into_iter().filter(counts).collect();
        assert_eq!(open.len(), state.open, "open");
        let (open_before, mut of_host) = self.before.get();
        let allowed =
            |limit: usize, before: usize| if state.limits.overflow { usize::MAX } else { limit.max(before) };
        assert!(state.open <= allowed(state.limits.total, open_before), "total");
        let kept = state.open - state.closing - state.draining;
        assert!(state.limits.overflow || kept <= state.limits.total, "kept in total");
        let mut room_wanted = false;
        for origin in state.origins.keys() {
            let entry = state.origins.get(origin);
            let links: Vec<_> =
                open.iter().map(|key| state.links.get(*key)).filter(|link| link.origin == origin).collect();
            assert_eq!(links.len(), entry.open);
            let stage = |stage| links.iter().filter(|link| link.stage == stage).count();
            assert_eq!(stage(Stage::Reserved) + stage(Stage::Connecting), entry.connecting);
            assert_eq!(stage(Stage::Closing), entry.closing);
            assert_eq!(stage(Stage::Idle), entry.idle_len);
            let settling = state.links.keys().into_iter().map(|key| state.links.get(key));
            let settling = settling.filter(|link| link.origin == origin && link.settles.is_some());
            assert_eq!(settling.count(), entry.settling.all);
            let host = HOSTS.iter().position(|host| *host == entry.origin.host()).unwrap();
            assert!(entry.open <= allowed(state.limits.per_origin, of_host[host]), "per origin");
            assert!(state.limits.overflow || entry.kept() <= state.limits.per_origin, "kept for the origin");
            let drains = |link: &&&Link<Fake>| link.retired.is_some() && link.stage != Stage::Closing;
            assert_eq!(links.iter().filter(drains).count(), entry.draining);
            of_host[host] = entry.open;
            assert!(entry.idle_len <= state.limits.idle_per_origin, "idle");
            if entry.first_waiter().is_none() {
                continue;
            }
            let homes = |first| {
                let waiters = std::iter::successors(first, |key| state.waiters.next(*key));
                waiters.map(|key| state.waiters.get(key).home).collect::<Vec<_>>()
            };
            let waiting = [homes(entry.paired.first()), homes(entry.queued.first())].concat();
            let at_home = |link: &&&Link<Fake>| waiting.contains(&link.home);
            let idle = links.iter().filter(|link| link.stage == Stage::Idle);
            assert_eq!(idle.filter(at_home).count(), 0, "a request waits beside an idle connection");
            if entry.open >= state.limits.per_origin && entry.queued_len > entry.closing {
                let free = |link: &&&Link<Fake>| {
                    matches!(link.stage, Stage::Idle | Stage::Shared) && link.leases == 0
                };
                assert!(
                    state.limits.overflow || links.iter().filter(free).count() == 0,
                    "a free place is kept"
                );
            }
            let has_stream = |link: &&&Link<Fake>| {
                let allowed = link.connection.as_ref().and_then(Pooled::streams).unwrap_or(0);
                link.leases < allowed.min(state.limits.streams)
            };
            let fit = |link: &&&Link<Fake>| link.retired.is_none() && link.uses < state.limits.uses;
            let shared = links.iter().filter(|link| link.stage == Stage::Shared).filter(fit).filter(at_home);
            assert_eq!(shared.filter(has_stream).count(), 0, "a request waits beside a free stream");
            let limit = if state.limits.overflow { usize::MAX } else { state.limits.per_origin };
            room_wanted |= entry.queued_len > 0 && entry.may_connect(limit);
        }
        self.before.set((state.open, of_host));
        let room = state.limits.overflow || state.open < state.limits.total;
        assert_eq!(
            open.iter().filter(|key| state.links.get(**key).stage == Stage::Closing).count(),
            state.closing
        );
        assert!(!(room && room_wanted), "a place is free, and a request waits that may take it");
    }
}
