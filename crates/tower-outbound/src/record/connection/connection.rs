//! One transport connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::flight::Flight;
use super::{ConnectionState, Protocol, Use};
use crate::event::Event;
use crate::record::{Mark, ObserverStates, Origin, Registry, Setup};

/// One transport connection: where to, how it was made, how often it served, why it closed.
///
/// Clones are handles to one record. hyper-util puts one into the extensions of every response that the
/// connection serves.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) id: u64,
    pub(crate) registry: Registry,
    pub(crate) setup: Setup,
    pub(crate) opened: Instant,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) protocol: AtomicU8,
    pub(crate) upgraded: AtomicBool,
    /// Its IO is seen, so that it is told when it opens and closes.
    tracked: bool,
    /// Not tracked, and its first use is that of the attempt that has started its setup, whenever that is known.
    first_kept: bool,
    /// TLS runs above: what passes says nothing of requests.
    opaque: AtomicBool,
    /// How many timed-out attempts it may let pass in silence; 0 is off.
    pub(crate) retire_silent_after: u32,
    retired: AtomicBool,
    /// The client has named it, or does not name what it uses.
    pub(crate) named: AtomicBool,
    /// When the last stream that a GOAWAY includes went out, by `tick`.
    goaway_after: AtomicU64,
    /// The last use (HTTP/1) whose response has come whole.
    pub(crate) answered: AtomicU64,
    pub(crate) flight: Mutex<Flight>,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) last_read: Mark,
    pub(crate) last_write: Mark,
    pub(crate) slots: ObserverStates,
}

/// What of it is seen.
struct Made {
    tracked: bool,
    first_kept: bool,
    retire_silent_after: u32,
}

impl Connection {
    /// Records a new connection and tells that it is open.
    pub(crate) fn open(
        registry: &Registry,
        setup: Setup,
        local: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        protocol: Option<Protocol>,
        retire_silent_after: u32,
        at: Instant,
    ) -> Self {
        let made = Made { tracked: true, first_kept: false, retire_silent_after };
        let connection = Self::made(registry, setup, (local, peer), protocol, made, at);
        registry.add(&connection);
        registry.emit(&Event::ConnectionOpened { connection: &connection });
        connection
    }

    /// Records a new connection whose IO cannot be seen: it is told of by the attempts that it serves, and never counted
    /// as open. `first_kept`: its first use is that of the attempt that has started its setup.
    #[cfg(feature = "reqwest")]
    pub(crate) fn untracked(
        registry: &Registry,
        setup: Setup,
        addresses: (SocketAddr, SocketAddr),
        protocol: Option<Protocol>,
        first_kept: bool,
        at: Instant,
    ) -> Self {
        let (local, peer) = addresses;
        let made = Made { tracked: false, first_kept, retire_silent_after: 0 };
        Self::made(registry, setup, (Some(local), Some(peer)), protocol, made, at)
    }

    fn made(
        registry: &Registry,
        setup: Setup,
        (local, peer): (Option<SocketAddr>, Option<SocketAddr>),
        protocol: Option<Protocol>,
        Made { tracked, first_kept, retire_silent_after }: Made,
        at: Instant,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let connection = Self(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            registry: registry.clone(),
            setup,
            opened: at,
            local,
            peer,
            protocol: AtomicU8::new(code(protocol)),
            upgraded: AtomicBool::new(false),
            tracked,
            first_kept,
            opaque: AtomicBool::new(false),
            retire_silent_after,
            retired: AtomicBool::new(false),
            named: AtomicBool::new(false),
            goaway_after: AtomicU64::new(u64::MAX),
            answered: AtomicU64::new(0),
            flight: Mutex::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            last_read: Mark::default(),
            last_write: Mark::default(),
            slots: ObserverStates::default(),
        }));
        connection.setup().set_connection(connection.id());
        connection
    }

    /// Unique within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Where to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.0.setup.origin()
    }

    /// How it was made.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.0.setup
    }

    /// Whether its IO is seen. Where it is not (reqwest's connections), its bytes, what is in flight on it, its state and
    /// its end are unknown: those methods say nothing then, no event tells of it, and it is not among the
    /// [open connections](Registry::connections).
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.0.tracked
    }

    /// When it was open.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.0.opened
    }

    /// This side's address, where the connector tells.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local
    }

    /// The peer's address, where the connector tells.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// What it speaks; `None` until the first byte was written, unless ALPN has said so.
    ///
    /// Where TLS runs above the tracked connector nobody can read it: it is `None`, but for a channel of tonic, which
    /// speaks HTTP/2 alone.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        match self.0.protocol.load(Ordering::Relaxed) {
            1 => Some(Protocol::Http1),
            2 => Some(Protocol::Http2),
            _ => None,
        }
    }

    /// How many attempts it has begun to serve.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.flight().uses
    }

    /// How many attempts are on it now. A snapshot: HTTP/1 clients put a connection back before the
    /// caller has seen the end.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.flight().in_flight
    }

    /// What it is doing now; a snapshot, as [`in_flight`](Self::in_flight) is.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.flight().state()
    }

    /// HTTP bytes read, above TLS; where TLS runs above the tracked connector, ciphertext.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.0.bytes_in.load(Ordering::Relaxed)
    }

    /// HTTP bytes written, above TLS; where TLS runs above the tracked connector, ciphertext.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.0.bytes_out.load(Ordering::Relaxed)
    }

    /// When the last bytes were read.
    #[must_use]
    pub fn last_read(&self) -> Option<Instant> {
        self.0.last_read.get(self.0.opened)
    }

    /// When the last bytes were written.
    #[must_use]
    pub fn last_write(&self) -> Option<Instant> {
        self.0.last_write.get(self.0.opened)
    }

    observer_state!();

    /// Whether the first use is that of the attempt that has started its setup.
    pub(crate) fn is_first_kept(&self) -> bool {
        self.0.first_kept && !self.setup().is_wasted()
    }

    /// Whether nothing was read since then.
    pub(crate) fn is_silent_since(&self, since: Instant) -> bool {
        self.is_tracked() && self.last_read().is_none_or(|read| read < since)
    }

    /// Whether it may be retired for its silence.
    pub(crate) fn may_retire(&self) -> bool {
        self.0.retire_silent_after > 0
    }

    /// Whether it is not to be used any more; one load.
    pub(crate) fn is_retired(&self) -> bool {
        self.0.retired.load(Ordering::Acquire)
    }

    /// A GOAWAY, the peer's or ours in its name, leaves out what was taken after that and gets its error.
    pub(crate) fn excludes_after(&self, order: u64) {
        self.0.goaway_after.fetch_min(order, Ordering::AcqRel);
    }

    pub(crate) fn goaway_after(&self) -> Option<u64> {
        Some(self.0.goaway_after.load(Ordering::Acquire)).filter(|order| *order != u64::MAX)
    }

    pub(crate) fn retire(&self) {
        self.0.retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.protocol() == Some(Protocol::Http2)
    }

    /// TLS runs above it: no turns and no frames are seen, so the attempts themselves are counted.
    pub(crate) fn is_opaque(&self) -> bool {
        self.0.opaque.load(Ordering::Relaxed)
    }

    pub(crate) fn set_opaque(&self) {
        self.0.opaque.store(true, Ordering::Relaxed);
    }

    /// Given away by an upgrade or `CONNECT`: what passes is no HTTP any more.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.0.upgraded.load(Ordering::Acquire)
    }

    /// The response of this use has come whole: nothing follows it but the next one's.
    pub(crate) fn answered(&self, usage: &Use) {
        self.0.answered.fetch_max(usage.number(), Ordering::AcqRel);
    }

    /// Whether what comes in this use belongs to no request.
    pub(crate) fn is_answered(&self, usage: u64) -> bool {
        usage > 0 && self.0.answered.load(Ordering::Acquire) == usage && !self.is_upgraded()
    }

    pub(crate) fn set_protocol(&self, protocol: Protocol) {
        self.0.protocol.store(code(Some(protocol)), Ordering::Relaxed);
    }

    pub(crate) fn count_read(&self, bytes: usize, at: Instant) {
        self.0.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.last_read.set(self.0.opened, at);
    }

    pub(crate) fn count_written(&self, bytes: usize, at: Instant) {
        self.0.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.last_write.set(self.0.opened, at);
    }
}

/// Two handles to one record are equal.
impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Connection {}

fn code(protocol: Option<Protocol>) -> u8 {
    match protocol {
        None => 0,
        Some(Protocol::Http1) => 1,
        Some(Protocol::Http2) => 2,
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id())
            .field("origin", self.origin())
            .field("protocol", &self.protocol())
            .field("uses", &self.uses())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
