//! The registry: the origins, the open connections, the observers and the settings of a stack.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use arc_swap::{ArcSwap, Guard};
use hashbrown::{DefaultHashBuilder, HashMap};
use http::Uri;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::origin::{OriginParts, origin_hasher};
use super::origins::Origins;
use super::{Connection, Origin, OwnPool, PoolHandle, opened_none_since};
use crate::event::{Event, Observers, StackWarning, Warnings, log};
use crate::settings::StackSettings;
use crate::timer::Timers;

/// What the layers of one stack share: origins, open connections, observers.
///
/// Clones are handles to one registry.
#[derive(Clone)]
pub(crate) struct Registry(Arc<Inner>);

struct Inner {
    observers: Observers,
    settings: ArcSwap<StackSettings>,
    origins: RwLock<Origins>,
    hasher: DefaultHashBuilder,
    connections: Mutex<HashMap<u64, Open>>,
    pools: Mutex<Vec<Weak<dyn OwnPool>>>,
    /// No connection is open any more.
    emptied: Notify,
    /// A connection of a pool of this crate has ended.
    seat_freed: Notify,
    warnings: Warnings,
    timers: Timers,
    attempts_seen: AtomicBool,
    connections_seen: AtomicBool,
    reset_seen: AtomicBool,
}

/// An open connection.
struct Open {
    connection: Connection,
    /// Stored here and not in the connection's record: the handle holds that record.
    pool_handle: Option<Arc<dyn PoolHandle>>,
}

impl Registry {
    pub(crate) fn new(observers: Observers, settings: StackSettings) -> Self {
        observers.switch(&settings.telemetry);
        Self(Arc::new(Inner {
            observers,
            settings: ArcSwap::from_pointee(settings),
            origins: RwLock::default(),
            hasher: origin_hasher(),
            connections: Mutex::default(),
            pools: Mutex::default(),
            emptied: Notify::new(),
            seat_freed: Notify::new(),
            warnings: Warnings::default(),
            timers: Timers::default(),
            attempts_seen: AtomicBool::new(false),
            connections_seen: AtomicBool::new(false),
            reset_seen: AtomicBool::new(false),
        }))
    }

    /// The connections that are open now, in the order in which they were opened.
    #[must_use]
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connections: Vec<_> = open.values().map(|open| open.connection.clone()).collect();
        drop(open);
        connections.sort_unstable_by_key(Connection::id);
        connections
    }

    /// Whether this holds for every open connection. Neither copies nor sorts them.
    pub(super) fn all_connections(&self, mut holds: impl FnMut(&Connection) -> bool) -> bool {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().all(|open| holds(&open.connection))
    }

    /// Whether both are handles to one registry.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    #[inline]
    pub(crate) fn observers(&self) -> &Observers {
        &self.0.observers
    }

    #[inline]
    pub(crate) fn timers(&self) -> &Timers {
        &self.0.timers
    }

    #[inline]
    pub(crate) fn emit(&self, event: &Event<'_>) {
        self.0.observers.emit(event);
    }

    /// The current settings.
    #[inline]
    pub(crate) fn settings(&self) -> Guard<Arc<StackSettings>> {
        self.0.settings.load()
    }

    /// Replaces the settings. Layers read them at the next request or connect.
    #[cfg(any(test, feature = "settings"))]
    pub(crate) fn store_settings(&self, settings: StackSettings) {
        self.0.settings.store(Arc::new(settings));
    }

    /// The origin of a URI; an origin without a host if the URI has none.
    pub(crate) fn origin(&self, uri: &Uri) -> Origin {
        let nowhere = OriginParts { scheme: uri.scheme_str().unwrap_or("http"), host: "", port: 0 };
        self.origin_of(uri).unwrap_or_else(|| self.intern(nowhere, None))
    }

    /// The origin of a URI; `None` if the URI has no host.
    pub(crate) fn origin_of(&self, uri: &Uri) -> Option<Origin> {
        let known = self.recall(uri);
        known.or_else(|| OriginParts::of(uri).map(|parts| self.intern(parts, Some(uri))))
    }

    /// The origin of a URI that [names](Origin::is_named_by) it as one before.
    fn recall(&self, uri: &Uri) -> Option<Origin> {
        self.0.origins.read().unwrap_or_else(PoisonError::into_inner).recall(uri).cloned()
    }

    /// Whether the URI [names](Origin::is_named_by) an origin as one before.
    #[cfg(feature = "client")]
    pub(crate) fn knows(&self, uri: &Uri) -> bool {
        self.0.origins.read().unwrap_or_else(PoisonError::into_inner).recall(uri).is_some()
    }

    /// `uri` has these parts.
    fn intern(&self, parts: OriginParts<'_>, uri: Option<&Uri>) -> Origin {
        // Hosts are case-insensitive. The usual lower-case host costs no copy.
        if parts.host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let host = parts.host.to_ascii_lowercase();
            return self.intern(OriginParts { host: &host, ..parts }, uri);
        }
        let hash = parts.hash();
        let known = self.0.origins.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = known.find(hash, parts) {
            return origin.clone();
        }
        drop(known);
        let mut origins = self.0.origins.write().unwrap_or_else(PoisonError::into_inner);
        origins.find_or_insert_named(hash, parts, &self.0.hasher, uri)
    }

    /// The pools of this crate that have connections of this registry.
    pub(super) fn pools(&self) -> &Mutex<Vec<Weak<dyn OwnPool>>> {
        &self.0.pools
    }

    pub(super) fn seat_freed(&self) -> &Notify {
        &self.0.seat_freed
    }

    pub(super) fn emptied(&self) -> &Notify {
        &self.0.emptied
    }

    pub(super) fn add(&self, connection: &Connection) {
        self.see_connection();
        let mut open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(connection.id(), Open { connection: connection.clone(), pool_handle: None });
    }

    /// Returns the handle before.
    pub(super) fn set_pool_handle(
        &self,
        connection: &Connection,
        handle: Arc<dyn PoolHandle>,
    ) -> Option<Arc<dyn PoolHandle>> {
        let mut open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        open.get_mut(&connection.id())?.pool_handle.replace(handle)
    }

    pub(super) fn pool_handle_of(&self, connection: &Connection) -> Option<Arc<dyn PoolHandle>> {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&connection.id())?.pool_handle.clone()
    }

    /// The connections that can be taken out of their pool.
    pub(super) fn pool_handles(&self) -> Vec<(Connection, Arc<dyn PoolHandle>)> {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let captured = |open: &Open| Some((open.connection.clone(), open.pool_handle.clone()?));
        open.values().filter_map(captured).collect()
    }

    /// The HTTP/2 connections to the origin if none of them has read a byte since then, otherwise none.
    pub(super) fn silent_http2(&self, origin: &Origin, since: Instant) -> Vec<Connection> {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let http2 = open.values().map(|open| &open.connection);
        let http2 = http2.filter(|one| one.is_http2() && one.origin() == origin);
        if http2.clone().all(|one| one.is_silent_since(since)) {
            http2.cloned().collect()
        } else {
            Vec::new()
        }
    }

    /// Whether every HTTP/2 connection to the origin has streams and has opened none since this sequence number. `false` if
    /// there is no such connection.
    pub(super) fn no_stream_since(&self, origin: &Origin, sequence: u64) -> bool {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let http2 = open.values().map(|open| &open.connection);
        let mut http2 = http2.filter(|one| one.is_http2() && one.origin() == origin).peekable();
        http2.peek().is_some() && http2.all(|one| one.in_flight() > 0 && opened_none_since(one, sequence))
    }

    /// When any HTTP/2 connection to the origin opened its first stream since this sequence number.
    pub(super) fn first_stream_since(&self, origin: &Origin, sequence: u64) -> Option<Instant> {
        let open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let http2 = open.values().map(|open| &open.connection);
        let http2 = http2.filter(|one| one.is_http2() && one.origin() == origin);
        http2.filter_map(|one| one.first_stream_since(sequence)).min()
    }

    pub(super) fn remove(&self, connection: &Connection) {
        let mut open = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = open.remove(&connection.id());
        let emptied = open.is_empty();
        drop(open);
        drop(removed);
        if emptied {
            self.0.emptied.notify_waiters();
        }
    }

    pub(super) fn see_attempt(&self) {
        // A load first: a store on every request would bounce the cache line between cores.
        if !self.0.attempts_seen.load(Ordering::Relaxed) {
            self.0.attempts_seen.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn has_seen_attempt(&self) -> bool {
        self.0.attempts_seen.load(Ordering::Relaxed)
    }

    /// Connections are taken out of use.
    pub(super) fn see_reset(&self) {
        self.0.reset_seen.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_seen_reset(&self) -> bool {
        self.0.reset_seen.load(Ordering::Relaxed)
    }

    /// A connection was opened that is tracked or known to be untracked.
    pub(crate) fn see_connection(&self) {
        self.0.connections_seen.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_seen_connection(&self) -> bool {
        self.0.connections_seen.load(Ordering::Relaxed)
    }

    pub(crate) fn warn(&self, warning: StackWarning) {
        if self.0.warnings.first(warning) {
            // Logged even where only warnings are logged.
            log::misplaced(warning);
            self.emit(&Event::Misplaced { warning });
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("observers", &self.0.observers)
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::new(Observers::default(), StackSettings::default())
    }

    #[test]
    fn registry_origin_with_other_case_is_same_record() {
        let registry = registry();
        let a = registry.origin(&"http://A.example/x".parse().unwrap());
        let b = registry.origin(&"http://a.example:80/y".parse().unwrap());
        assert!(a.is_shared());
        assert_eq!(a.address(), b.address());
    }
}
