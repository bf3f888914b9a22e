//! One transport connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use super::idle::KeepAlive;
use super::lifecycle::Lifecycle;
use super::{CloseHint, ConnectionIo, ConnectionState, Protocol, Retirement, Use};
use crate::event::Event;
use crate::failure::{Failure, Kind};
use crate::record::{Mark, ObserverStates, Origin, Registry, Setup};

/// A transport connection: its origin, its setup, its uses, and why it closed.
///
/// Clones are handles to one record. hyper-util inserts a handle into the extensions of each response that the
/// connection serves.
#[derive(Clone)]
pub struct Connection(pub(in crate::record) Arc<ConnectionInner>);

pub(in crate::record) struct ConnectionInner {
    id: u64,
    pub(in crate::record) registry: Registry,
    setup: Setup,
    pub(super) opened: Instant,
    /// Where it was opened, and where its task most likely is.
    runtime: Option<runtime::Id>,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    protocol: AtomicU8,
    upgraded: AtomicBool,
    /// The IO is visible, so opening and closing are events.
    tracked: bool,
    /// Not tracked, and its first use is reserved for the attempt that started its setup.
    first_use_reserved: bool,
    /// TLS runs above the IO: its bytes say nothing about requests.
    pub(super) opaque: AtomicBool,
    /// After how many silent timeouts in a row the connection is retired; 0 is never.
    pub(super) retire_silent_after: u32,
    pub(super) retired: Retirement,
    /// A reset has ended it, although the peer owes an answer.
    pub(super) cut: AtomicBool,
    /// Why the IO failed, if it did.
    pub(super) io_failure: OnceLock<Failure>,
    /// A pool of this crate has the connection, and closes it when it is idle for too long.
    pub(in crate::record) pooled: AtomicBool,
    /// A handle on the pool was taken, or the client does not give one.
    pub(in crate::record) captured: AtomicBool,
    /// The sequence number after which requests that fail with a GOAWAY are beyond it.
    pub(super) goaway_after: AtomicU64,
    /// The last stream that the peer's GOAWAY includes; `u32::MAX` before one.
    pub(super) goaway_last: AtomicU32,
    /// The sequence number at which that stream was opened; `u64::MAX` if it is not known.
    pub(super) goaway_after_last: AtomicU64,
    /// The sequence number at which the first stream was opened; 0 before that.
    pub(super) first_stream_opened: AtomicU64,
    /// The sequence number at which the last stream was opened; 0 before the first.
    pub(super) last_stream_opened: AtomicU64,
    /// The IO has ended, or this side has given the connection up: no stream is opened any more.
    pub(super) opens_no_stream: AtomicBool,
    /// The last use (HTTP/1) whose response is complete.
    pub(super) response_complete: AtomicU64,
    pub(super) keep_alive: KeepAlive,
    lifecycle: Mutex<Lifecycle>,
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) last_read: Mark,
    pub(super) last_write: Mark,
    observer_states: ObserverStates,
}

/// How a connection is observed.
struct Tracking {
    tracked: bool,
    first_use_reserved: bool,
    retire_silent_after: u32,
}

impl Connection {
    /// Records a new connection and emits `ConnectionOpened`.
    pub(crate) fn open(
        registry: &Registry,
        setup: Setup,
        local: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        protocol: Option<Protocol>,
        retire_silent_after: u32,
        at: Instant,
    ) -> Self {
        let tracking = Tracking { tracked: true, first_use_reserved: false, retire_silent_after };
        let connection = Self::record(registry, setup, (local, peer), protocol, tracking, at);
        if connection.setup().states().is_unobserved() {
            connection.states().set_unobserved();
        }
        registry.add(&connection);
        registry.emit(&Event::ConnectionOpened { connection: &connection, late: false });
        connection
    }

    /// Records a new connection whose IO is not visible: only the attempts that it serves refer to it, and it never counts
    /// as open. `first_use_reserved`: its first use is that of the attempt that started its setup.
    #[cfg(feature = "reqwest")]
    pub(crate) fn untracked(
        registry: &Registry,
        setup: Setup,
        addresses: (SocketAddr, SocketAddr),
        protocol: Option<Protocol>,
        first_use_reserved: bool,
        at: Instant,
    ) -> Self {
        let (local, peer) = addresses;
        let tracking = Tracking { tracked: false, first_use_reserved, retire_silent_after: 0 };
        Self::record(registry, setup, (Some(local), Some(peer)), protocol, tracking, at)
    }

    fn record(
        registry: &Registry,
        setup: Setup,
        (local, peer): (Option<SocketAddr>, Option<SocketAddr>),
        protocol: Option<Protocol>,
        Tracking { tracked, first_use_reserved, retire_silent_after }: Tracking,
        at: Instant,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let connection = Self(Arc::new(ConnectionInner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            registry: registry.clone(),
            setup,
            opened: at,
            runtime: Handle::try_current().ok().map(|handle| handle.id()),
            local,
            peer,
            protocol: AtomicU8::new(code(protocol)),
            upgraded: AtomicBool::new(false),
            tracked,
            first_use_reserved,
            opaque: AtomicBool::new(false),
            retire_silent_after,
            retired: Retirement::default(),
            cut: AtomicBool::new(false),
            io_failure: OnceLock::new(),
            pooled: AtomicBool::new(false),
            captured: AtomicBool::new(false),
            goaway_after: AtomicU64::new(u64::MAX),
            goaway_last: AtomicU32::new(u32::MAX),
            goaway_after_last: AtomicU64::new(u64::MAX),
            first_stream_opened: AtomicU64::new(0),
            last_stream_opened: AtomicU64::new(0),
            opens_no_stream: AtomicBool::new(false),
            response_complete: AtomicU64::new(0),
            keep_alive: KeepAlive::default(),
            lifecycle: Mutex::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            last_read: Mark::default(),
            last_write: Mark::default(),
            observer_states: ObserverStates::default(),
        }));
        connection.setup().set_connection(connection.id());
        connection.show_untracked(protocol);
        connection
    }

    /// Unique within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The origin that the connection goes to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        self.0.setup.origin()
    }

    /// The setup that made the connection.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.0.setup
    }

    /// Whether the IO of the connection is visible.
    ///
    /// If not (reqwest's connections), its bytes, its attempts in flight, its state and its end are unknown. Then no
    /// event is emitted for the connection, and it is not one of the
    /// [open connections](crate::Outbound::connections).
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.0.tracked
    }

    /// The runtime on which the connection was opened.
    pub(in crate::record) fn runtime(&self) -> Option<runtime::Id> {
        self.0.runtime
    }

    /// When the connection was opened.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.0.opened
    }

    /// The local address, if the connector provides it.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local
    }

    /// The address of the peer, if the connector provides it.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// The protocol of the connection; `None` until ALPN or the first written bytes show it.
    ///
    /// If TLS runs above the tracked connector, the protocol is not visible and this is `None`, except for a tonic channel:
    /// it is always HTTP/2.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        match self.0.protocol.load(Ordering::Relaxed) {
            1 => Some(Protocol::Http1),
            2 => Some(Protocol::Http2),
            _ => None,
        }
    }

    /// How many attempts the connection has begun to serve.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.lifecycle().uses
    }

    /// How many attempts use the connection now.
    ///
    /// A snapshot: HTTP/1 clients return a connection to the pool before the caller has read the end of the body.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.lifecycle().in_flight
    }

    /// The current state; a snapshot, like [`in_flight`](Self::in_flight).
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.lifecycle().state()
    }

    /// HTTP bytes read, after decryption; ciphertext if TLS runs above the tracked connector.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.0.bytes_in.load(Ordering::Relaxed)
    }

    /// HTTP bytes written, before encryption; ciphertext if TLS runs above the tracked connector.
    #[must_use]
    pub fn bytes_out(&self) -> u64 {
        self.0.bytes_out.load(Ordering::Relaxed)
    }

    /// When bytes were last read.
    #[must_use]
    pub fn last_read(&self) -> Option<Instant> {
        self.0.last_read.get(self.0.opened)
    }

    /// When bytes were last written.
    #[must_use]
    pub fn last_write(&self) -> Option<Instant> {
        self.0.last_write.get(self.0.opened)
    }

    pub(in crate::record) fn states(&self) -> &ObserverStates {
        &self.0.observer_states
    }

    observer_state!();

    /// What the IO of the connection may do.
    pub(crate) fn io(&self) -> ConnectionIo<'_> {
        ConnectionIo(self)
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.protocol() == Some(Protocol::Http2)
    }

    /// Whether the first use is that of the attempt that started the setup.
    pub(crate) fn is_first_use_reserved(&self) -> bool {
        self.0.first_use_reserved && !self.setup().is_wasted()
    }

    /// Whether it is unknown if the attempt that started the setup has had the first use: it got no response, and another
    /// one has not been named either.
    #[cfg(feature = "reqwest")]
    pub(crate) fn is_first_use_unknown(&self) -> bool {
        self.is_first_use_reserved() && self.setup().is_unanswered() && self.uses() == 0
    }

    pub(super) fn lifecycle(&self) -> MutexGuard<'_, Lifecycle> {
        self.0.lifecycle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To begin or end a use.
    pub(super) fn lifecycle_of_use(&self) -> MutexGuard<'_, Lifecycle> {
        let mut lifecycle = self.lifecycle();
        lifecycle.notifications.unheard = !self.0.registry.observers().are_listening();
        lifecycle
    }

    /// Records a probable close reason. The first one wins.
    pub(in crate::record) fn hint(&self, hint: CloseHint) {
        if hint == CloseHint::Upgraded {
            self.0.upgraded.store(true, Ordering::Release);
        }
        self.lifecycle().hint(hint);
    }

    pub(in crate::record) fn is_opaque(&self) -> bool {
        self.0.opaque.load(Ordering::Relaxed)
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.0.upgraded.load(Ordering::Acquire)
    }

    /// Whether no byte was read since then.
    pub(in crate::record) fn is_silent_since(&self, since: Instant) -> bool {
        self.is_tracked() && self.last_read().is_none_or(|read| read < since)
    }

    /// The sequence number after which requests that fail with a GOAWAY are beyond it.
    pub(in crate::record) fn goaway_after(&self) -> u64 {
        self.0.goaway_after.load(Ordering::Acquire)
    }

    /// The last stream that the peer's GOAWAY includes; `u32::MAX` before one.
    pub(in crate::record) fn goaway_last(&self) -> u32 {
        self.0.goaway_last.load(Ordering::Acquire)
    }

    /// The sequence number at which that stream was opened; `u64::MAX` if it is not known.
    pub(in crate::record) fn goaway_after_last(&self) -> u64 {
        self.0.goaway_after_last.load(Ordering::Acquire)
    }

    pub(in crate::record) fn last_stream_opened(&self) -> u64 {
        self.0.last_stream_opened.load(Ordering::Acquire)
    }

    /// When the first stream after this sequence number was opened, if that is recent.
    pub(in crate::record) fn first_stream_since(&self, sequence: u64) -> Option<Instant> {
        self.lifecycle().opened.first_since(sequence)
    }

    /// Whether the connection certainly opens no further stream.
    pub(in crate::record) fn opens_no_stream(&self) -> bool {
        self.0.opens_no_stream.load(Ordering::Acquire)
    }

    /// Why this side gave the connection up, if it did.
    pub(in crate::record) fn gave_up(&self) -> Option<Kind> {
        self.lifecycle().gave_up
    }

    /// The response of this use is complete.
    pub(in crate::record) fn set_response_complete(&self, usage: &Use) {
        self.0.response_complete.fetch_max(usage.number(), Ordering::AcqRel);
    }

    pub(super) fn store_protocol(&self, protocol: Protocol) {
        self.0.protocol.store(code(Some(protocol)), Ordering::Relaxed);
        self.show_untracked(Some(protocol));
    }

    /// Of a connection that is not tracked, nothing but its protocol shows whether a request may wait for a stream.
    fn show_untracked(&self, protocol: Option<Protocol>) {
        if let Some(protocol) = protocol.filter(|_| !self.is_tracked()) {
            self.origin().changes().untracked_speaks(protocol);
        }
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
