//! One transport connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::close::{CloseReason, Closed};
use super::{Origin, Registry, Setup};
use crate::classify::Kind;
use crate::event::Event;
use crate::exchange::{Exchange, Mark, Slots};

/// One transport connection: where to, how it was made, how often it served, why it closed.
///
/// Clones are handles to one record. hyper-util puts one into the extensions of every response that the
/// connection serves.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    id: u64,
    registry: Registry,
    setup: Setup,
    opened: Instant,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    protocol: AtomicU8,
    uses: AtomicU64,
    /// Exchanges that were told to be its own (HTTP/2: at their head).
    assigned: AtomicU64,
    /// Exchanges in flight; the top bit says that the IO is gone.
    flight: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    last_read: Mark,
    last_write: Mark,
    idle_since: Mark,
    hint: AtomicU8,
    cut: AtomicBool,
    io_end: Mutex<Option<IoEnd>>,
    slots: Slots,
}

const IO_GONE: u64 = 1 << 63;

/// hyper closes a connection in the poll that follows the drop of an unread body, or not for that reason.
const DROP_GRACE: Duration = Duration::from_millis(100);

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1 or 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What is known of the serving connection, by its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reuse {
    /// The first exchange of its connection.
    New,
    /// The connection had served before.
    Reused,
    /// The connection is not tracked.
    Unknown,
}

impl Reuse {
    /// The value of `outbound.connection.reuse`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reused => "reused",
            Self::Unknown => "unknown",
        }
    }
}

/// One use of a connection by an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    number: u64,
    idle_time: Option<Duration>,
    ready_at: Instant,
}

impl Use {
    /// The first use of a connection is number 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// New for the first use, reused for every other.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        if self.number == 1 { Reuse::New } else { Reuse::Reused }
    }

    /// How long the connection had been idle before; `None` on the first use, and where it was not idle.
    #[must_use]
    pub fn idle_time(&self) -> Option<Duration> {
        self.idle_time
    }

    /// Since when the connection could have served: opened, or idle after the use before.
    #[must_use]
    pub fn ready_at(&self) -> Instant {
        self.ready_at
    }
}

/// How the IO of a connection came to its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IoEnd {
    pub(crate) end_of_file: bool,
    pub(crate) error: Option<Kind>,
    pub(crate) goaway: bool,
}

/// What the layers above know of a connection's end before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CloseHint {
    BodyDropped = 1,
    ConnectionClose = 2,
    Http10 = 3,
    ProtocolError = 4,
    Upgraded = 5,
}

impl CloseHint {
    fn reason(code: u8) -> Option<CloseReason> {
        Some(match code {
            1 => CloseReason::BodyDropped,
            2 => CloseReason::ConnectionClose,
            3 => CloseReason::Http10,
            4 => CloseReason::ProtocolError,
            5 => CloseReason::Upgraded,
            _ => return None,
        })
    }
}

impl Connection {
    /// Records a new connection and tells that it is open.
    pub(crate) fn open(
        registry: &Registry,
        setup: Setup,
        local: Option<SocketAddr>,
        peer: Option<SocketAddr>,
        protocol: Option<Protocol>,
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
            uses: AtomicU64::new(0),
            assigned: AtomicU64::new(0),
            flight: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            last_read: Mark::default(),
            last_write: Mark::default(),
            idle_since: Mark::default(),
            hint: AtomicU8::new(0),
            cut: AtomicBool::new(false),
            io_end: Mutex::new(None),
            slots: Slots::default(),
        }));
        connection.setup().set_connection(connection.id());
        registry.add(&connection);
        registry.emit(&Event::ConnectionOpened { connection: &connection });
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
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        match self.0.protocol.load(Ordering::Relaxed) {
            1 => Some(Protocol::Http1),
            2 => Some(Protocol::Http2),
            _ => None,
        }
    }

    /// How many exchanges it has begun to serve.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.0.uses.load(Ordering::Relaxed)
    }

    /// How many exchanges are on it now. A snapshot: HTTP/1 clients put a connection back before the
    /// caller has seen the end.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.0.flight.load(Ordering::Relaxed) & !IO_GONE
    }

    /// HTTP bytes read, above TLS.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.0.bytes_in.load(Ordering::Relaxed)
    }

    /// HTTP bytes written, above TLS.
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

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.protocol() == Some(Protocol::Http2)
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

    /// Says what will have closed the connection, if it closes; a later hint does not replace an earlier one.
    pub(crate) fn hint(&self, hint: CloseHint) {
        let _ = self.0.hint.compare_exchange(0, hint as u8, Ordering::AcqRel, Ordering::Acquire);
    }

    /// An exchange on it was given up before its end.
    pub(crate) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
    }

    /// A turn by a request that no exchange stands for.
    pub(crate) fn begin_unknown_use(&self) {
        self.survived();
        self.0.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// An exchange is served by it: on HTTP/1 with its turn, on HTTP/2 when the response names it.
    pub(crate) fn begin_use(&self, exchange: &Exchange, at: Instant) -> Use {
        let inner = &*self.0;
        let number = inner.assigned.fetch_add(1, Ordering::Relaxed) + 1;
        let (mut idle_time, mut ready_at) = (None, inner.opened);
        if !self.is_http2() {
            self.survived();
            inner.uses.fetch_add(1, Ordering::Relaxed);
            let idle_since = inner.idle_since.get(inner.opened).filter(|_| number > 1);
            ready_at = idle_since.unwrap_or(inner.opened);
            if self.activate() {
                idle_time = idle_since.map(|since| at.saturating_duration_since(since));
            }
        }
        let usage = Use { number, idle_time, ready_at };
        inner.registry.emit(&Event::ConnectionAssigned { connection: self, exchange, usage: &usage });
        usage
    }

    /// An exchange that it served is over; on HTTP/2 its streams tell.
    pub(crate) fn end_use(&self, at: Instant) {
        if !self.is_http2() {
            self.release(at);
        }
    }

    /// A request went out on a stream of its own.
    pub(crate) fn begin_stream(&self) {
        self.0.uses.fetch_add(1, Ordering::Relaxed);
        self.activate();
    }

    pub(crate) fn end_stream(&self, at: Instant) {
        self.release(at);
    }

    /// One more in flight; says whether it was the only one.
    fn activate(&self) -> bool {
        let only = self.0.flight.fetch_add(1, Ordering::AcqRel) == 0;
        if only {
            self.0.registry.emit(&Event::ConnectionActive { connection: self });
        }
        only
    }

    fn release(&self, at: Instant) {
        let inner = &*self.0;
        inner.idle_since.set(inner.opened, at);
        match inner.flight.fetch_sub(1, Ordering::AcqRel) {
            1 => inner.registry.emit(&Event::ConnectionIdle { connection: self }),
            last if last == IO_GONE | 1 => self.close(true, at),
            _ => {}
        }
    }

    /// The IO is gone; the connection is closed as soon as no exchange is on it, since until then a header
    /// or a failure may still name the reason.
    ///
    /// Streams that are open are cut by it.
    pub(crate) fn io_gone(&self, end: IoEnd, open_streams: u64, at: Instant) {
        *self.0.io_end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
        if open_streams > 0 {
            self.cut();
            self.0.flight.fetch_sub(open_streams, Ordering::AcqRel);
        }
        if self.0.flight.fetch_or(IO_GONE, Ordering::AcqRel) == 0 {
            self.close(open_streams > 0, at);
        }
    }

    /// A new turn proves that a dropped body or a cut exchange did not cost the connection.
    fn survived(&self) {
        if self.0.cut.swap(false, Ordering::AcqRel) {
            let dropped = CloseHint::BodyDropped as u8;
            let _ = self.0.hint.compare_exchange(dropped, 0, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    fn close(&self, was_active: bool, at: Instant) {
        let inner = &*self.0;
        let end = inner.io_end.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let idle_for = inner.idle_since.get(inner.opened).map(|since| at.saturating_duration_since(since));
        let hint = CloseHint::reason(inner.hint.load(Ordering::Acquire)).filter(|reason| {
            // A connection that has lived on after a dropped body was not closed by it.
            let lived_on = end.end_of_file || end.error.is_some() || idle_for >= Some(DROP_GRACE);
            *reason != CloseReason::BodyDropped || !lived_on
        });
        let reason = match hint {
            Some(reason) => reason,
            None if end.goaway => CloseReason::GoAway,
            None if end.error.is_some() => CloseReason::Error,
            None if end.end_of_file => CloseReason::PeerClosed,
            None if !was_active && idle_for.is_some_and(|idle| idle >= inner.registry.idle_timeout()) => {
                CloseReason::IdleTimeout
            }
            None => CloseReason::Dropped,
        };
        let closed = Closed {
            reason,
            was_active,
            killed: inner.cut.load(Ordering::Acquire),
            error: end.error,
            lifetime: at.saturating_duration_since(inner.opened),
        };
        inner.registry.remove(self);
        inner.registry.emit(&Event::ConnectionClosed { connection: self, closed: &closed });
    }
}

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
