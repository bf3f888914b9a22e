//! The origin: the key of limits and of the registry.

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use hashbrown::DefaultHashBuilder;
use http::Uri;

use super::origin_changes::OriginChanges;
use super::recovery::SilentTimeouts;
use crate::record::ObserverStates;
use crate::util::Authority;
use crate::util::http::{HostPort, default_port};

/// Scheme, host and port of a request (RFC 9110, section 4.3.1).
///
/// Clones are handles to one record. An [`Outbound`](crate::Outbound) has one record per origin.
#[derive(Clone)]
pub struct Origin(Arc<Inner>);

/// One for all: an origin keeps its hash.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

struct Inner {
    scheme: Box<str>,
    host: Arc<str>,
    port: u16,
    hash: u64,
    /// The authority of a URI that names it, which others are compared with before they are parsed.
    authority: Box<str>,
    calls: AtomicU64,
    /// Attempts that go on.
    attempts: AtomicU64,
    captures_wanted: AtomicU32,
    /// Requests that wait for a slot.
    slot_waiters: AtomicU32,
    /// Connections of all clients, connects included.
    seats: AtomicUsize,
    silent_timeouts: Mutex<SilentTimeouts>,
    changes: OriginChanges,
    observer_states: ObserverStates,
}

/// An origin's parts, borrowed: what the registry is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OriginParts<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> OriginParts<'a> {
    /// `None` where the URI names no host.
    pub(crate) fn of(uri: &'a Uri) -> Option<Self> {
        let scheme = uri.scheme_str().unwrap_or("http");
        let Authority { host, port, .. } = Authority::split(uri.authority()?.as_str());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| default_port(scheme));
        // The brackets of an IPv6 literal belong to the URI's syntax, not to the address.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }

    pub(crate) fn hash(self) -> u64 {
        HASHER.hash_one(self)
    }
}

/// How the parts of origins are hashed.
pub(crate) fn origin_hasher() -> DefaultHashBuilder {
    HASHER.clone()
}

/// Whether a URI says what it names: `http` or `https`, a host, no user, and no port that is none.
fn is_plain(uri: &Uri) -> bool {
    let authority = uri.authority().map(|authority| Authority::split(authority.as_str()));
    let is_plain = |authority: Authority<'_>| {
        let port = authority.port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok());
        port && authority.user_info.is_none() && !authority.host.is_empty()
    };
    matches!(uri.scheme_str(), Some("http" | "https")) && authority.is_some_and(is_plain)
}

impl Origin {
    pub(crate) fn new(parts: OriginParts<'_>) -> Self {
        Self::named(parts, None)
    }

    /// `uri`: one that names the origin.
    pub(super) fn named(parts: OriginParts<'_>, uri: Option<&Uri>) -> Self {
        let authority = uri.filter(|uri| is_plain(uri)).and_then(Uri::authority);
        let host = parts.host.to_ascii_lowercase();
        Self(Arc::new(Inner {
            scheme: parts.scheme.into(),
            hash: OriginParts { host: &host, ..parts }.hash(),
            host: host.into(),
            port: parts.port,
            authority: authority.map_or("", |authority| authority.as_str()).into(),
            calls: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            // For the first connection.
            captures_wanted: AtomicU32::new(1),
            slot_waiters: AtomicU32::new(0),
            seats: AtomicUsize::new(0),
            silent_timeouts: Mutex::default(),
            changes: OriginChanges::default(),
            observer_states: ObserverStates::default(),
        }))
    }

    /// The scheme of the URI, `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.0.scheme
    }

    /// The host, in lower case, without brackets; empty if the request has none.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The host, as a shared string.
    #[must_use]
    pub fn host_shared(&self) -> Arc<str> {
        self.0.host.clone()
    }

    /// The port, the scheme's default where the URI has none; 0 where that is unknown.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Displays `host:port`, with brackets around an IPv6 address (RFC 3986, section 3.2.2). Does not allocate.
    ///
    /// # Example
    /// ```
    /// # fn connecting(origin: &tower_outbound::Origin) {
    /// println!("connecting to {}", origin.authority());
    /// # }
    /// ```
    #[must_use]
    pub fn authority(&self) -> impl fmt::Display + '_ {
        HostPort { host: self.host(), port: self.port() }
    }

    observer_state!();

    pub(crate) fn count_call(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::record) fn attempt_started(&self) {
        self.0.attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::record) fn attempt_ended(&self) {
        self.0.attempts.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether an attempt to the origin goes on.
    pub(in crate::record) fn has_attempts(&self) -> bool {
        self.0.attempts.load(Ordering::Relaxed) > 0
    }

    /// A connection without a pool handle exists or is being made: the next request shall ask for one.
    pub(in crate::record) fn request_capture(&self) {
        self.0.captures_wanted.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this request shall ask for a pool handle. Returns `true` once for each request of a capture.
    pub(crate) fn should_capture(&self) -> bool {
        let wanted = &self.0.captures_wanted;
        let one_less = |count: u32| count.checked_sub(1);
        // A load first: nearly always the count is 0.
        wanted.load(Ordering::Relaxed) > 0
            && wanted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    pub(super) fn count_slot_waiter(&self, waits: bool) {
        let waiters = &self.0.slot_waiters;
        let _ = if waits {
            waiters.fetch_add(1, Ordering::Relaxed)
        } else {
            waiters.fetch_sub(1, Ordering::Relaxed)
        };
    }

    /// Whether a request waits for a slot.
    pub(crate) fn has_slot_waiters(&self) -> bool {
        self.0.slot_waiters.load(Ordering::Relaxed) > 0
    }

    /// Counts one more connection, unless there are as many as the limit.
    pub(super) fn take_seat(&self, limit: usize) -> bool {
        let one_more = |taken: usize| (taken < limit).then_some(taken + 1);
        self.0.seats.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok()
    }

    pub(super) fn leave_seat(&self) {
        self.0.seats.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn silent_timeouts(&self) -> MutexGuard<'_, SilentTimeouts> {
        self.0.silent_timeouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has lately changed among the connections.
    pub(super) fn changes(&self) -> &OriginChanges {
        &self.0.changes
    }

    /// The number of observed calls to the origin.
    pub(crate) fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Whether the URI surely names this origin. Cheaper than a look at its parts, and `false` of some that do. `true` means
    /// too that the URI has a scheme, `http` or `https`, no user, and no port that is none.
    pub(crate) fn is_named_by(&self, uri: &Uri) -> bool {
        // No URI has an empty authority.
        let same = |authority: &http::uri::Authority| authority.as_str() == &*self.0.authority;
        uri.authority().is_some_and(same) && uri.scheme_str() == Some(&*self.0.scheme)
    }

    pub(crate) fn hash(&self) -> u64 {
        self.0.hash
    }

    pub(crate) fn parts(&self) -> OriginParts<'_> {
        OriginParts { scheme: &self.0.scheme, host: &self.0.host, port: self.0.port }
    }

    /// The address of the record: the same for all handles of one registry, while there is one.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.parts() == other.parts()
    }
}

impl Eq for Origin {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host().is_empty() { "unknown" } else { self.host() };
        write!(f, "{}://{}", self.scheme(), HostPort { host, port: self.port() })
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Option<String> {
        OriginParts::of(&uri.parse().unwrap()).map(|parts| Origin::new(parts).to_string())
    }

    #[test]
    fn origin_has_default_port_lower_case_host_and_no_user() {
        assert_eq!(origin("http://Example.COM/x").as_deref(), Some("http://example.com:80"));
        assert_eq!(origin("https://user:pw@example.com/").as_deref(), Some("https://example.com:443"));
        assert_eq!(origin("http://[::1]:8080/").as_deref(), Some("http://[::1]:8080"));
        assert_eq!(origin("https://[2001:db8::1]/").as_deref(), Some("https://[2001:db8::1]:443"));
        assert_eq!(origin("http://u:p@example.com:/").as_deref(), Some("http://example.com:80"));
        assert_eq!(origin("/relative"), None);
    }
}
