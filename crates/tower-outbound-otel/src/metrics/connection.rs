//! Connections.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::Value;
use tower_outbound::connect::{CloseReason, Closed, Protocol};
use tower_outbound::{Connection, Kind};

use super::attributes::{Attributes, kind, text};
use super::bound::{Bind, BoundCounter, BoundHistogram, BoundUpDownCounter};
use super::cache::Cache;
use crate::options::MetricLabel;
use crate::semconv::{attribute as a, outbound as o};

const ACTIVE: &str = "active";
const IDLE: &str = "idle";

/// The version and, by option, the peer's address.
type ConnectionKey = (Option<&'static str>, Option<IpAddr>);
/// The reason, whether an attempt was killed, and the error.
type CloseKey = (CloseReason, bool, Option<Kind>);

#[derive(Debug)]
pub(super) struct ConnectionMetrics {
    attributes: Arc<Attributes>,
    connections: Cache<ConnectionKey, Arc<ConnectionHandles>>,
    closed: Cache<CloseKey, Option<BoundCounter<u64>>>,
    io: Cache<&'static str, Option<BoundCounter<u64>>>,
    requests: Cache<(), Option<BoundHistogram<u64>>>,
}

/// Bound at the first record: the SDK exports bound instruments, with count 0.
#[derive(Debug)]
struct ConnectionHandles {
    key: ConnectionKey,
    active: OnceLock<Option<BoundUpDownCounter<i64>>>,
    idle: OnceLock<Option<BoundUpDownCounter<i64>>>,
    duration: OnceLock<Option<BoundHistogram<f64>>>,
}

/// The observer's state in a connection: an up-down counter must be decremented with the attributes of its increment.
#[derive(Debug)]
pub(super) struct ConnectionState {
    opened: Arc<ConnectionHandles>,
    /// Set at the first use, when the version is known.
    used: OnceLock<Arc<ConnectionHandles>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// The version that a connection speaks, if it is known yet.
pub(super) fn version(connection: &Connection) -> Option<&'static str> {
    match connection.protocol() {
        Some(Protocol::Http1) => Some("1.1"),
        Some(Protocol::Http2) => Some("2"),
        _ => match connection.setup().tls()?.alpn.as_deref()? {
            "http/1.1" => Some("1.1"),
            "h2" => Some("2"),
            _ => None,
        },
    }
}

impl ConnectionMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        Self {
            attributes,
            connections: Cache::default(),
            closed: Cache::default(),
            io: Cache::default(),
            requests: Cache::default(),
        }
    }

    pub(super) fn opened(&self, connection: &Connection) -> ConnectionState {
        let opened = self.handles(connection);
        self.count(&opened, IDLE, 1);
        ConnectionState {
            opened,
            used: OnceLock::new(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    pub(super) fn active(&self, connection: &Connection, state: &ConnectionState) {
        let before = state.handles();
        let now = state.used.get_or_init(|| self.handles(connection));
        self.count(before, IDLE, -1);
        self.count(now, ACTIVE, 1);
    }

    pub(super) fn idle(&self, state: &ConnectionState) {
        let handles = state.handles();
        self.count(handles, ACTIVE, -1);
        self.count(handles, IDLE, 1);
    }

    pub(super) fn closed(&self, connection: &Connection, state: &ConnectionState, closed: &Closed) {
        let Attributes { instruments, .. } = &*self.attributes;
        self.count(state.handles(), if closed.was_active() { ACTIVE } else { IDLE }, -1);
        // The version may have become known since.
        let handles = self.handles(connection);
        let duration = handles.duration.get_or_init(|| {
            instruments.connection_duration.bound(&self.attributes.http([
                (a::NETWORK_PEER_ADDRESS, handles.peer()),
                (a::NETWORK_PROTOCOL_VERSION, handles.version()),
            ]))
        });
        if let Some(duration) = duration {
            duration.record(closed.lifetime().as_secs_f64());
        }
        let key = (closed.reason(), closed.killed_attempt(), closed.error());
        let counter = self.closed.get(key, || {
            let (reason, killed, error) = key;
            instruments.connection_closed.bound(&self.attributes.outbound([
                (a::ERROR_TYPE, kind(error)),
                (a::HTTP_CONNECTION_STATE, text(if killed { ACTIVE } else { IDLE })),
                (o::CLOSE_REASON, text(reason.as_str())),
            ]))
        });
        if let Some(counter) = &*counter {
            counter.add(1);
        }
        let requests =
            self.requests.get((), || instruments.connection_requests.bound(&self.attributes.outbound([])));
        if let Some(requests) = &*requests {
            requests.record(connection.uses());
        }
        self.io(connection, state);
    }

    /// Adds the bytes since the last record. Recorded after each attempt, since connections may live for days.
    pub(super) fn io(&self, connection: &Connection, state: &ConnectionState) {
        for (direction, counted, now) in [
            ("receive", &state.bytes_in, connection.bytes_in()),
            ("transmit", &state.bytes_out, connection.bytes_out()),
        ] {
            let more = now.saturating_sub(counted.fetch_max(now, Ordering::AcqRel));
            if more == 0 {
                continue;
            }
            let counter = self.io.get(direction, || {
                let direction = (a::NETWORK_IO_DIRECTION, text(direction));
                self.attributes.instruments.connection_io.bound(&self.attributes.outbound([direction]))
            });
            if let Some(counter) = &*counter {
                counter.add(more);
            }
        }
    }

    fn handles(&self, connection: &Connection) -> Arc<ConnectionHandles> {
        let with_peer = self.attributes.options.has(MetricLabel::PeerAddress);
        let peer = connection.peer_addr().filter(|_| with_peer);
        let key = (version(connection), peer.map(|peer| peer.ip()));
        let handles = self.connections.get(key, || {
            let (active, idle, duration) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
            Arc::new(ConnectionHandles { key, active, idle, duration })
        });
        Arc::clone(&handles)
    }

    /// `http.client.open_connections`.
    fn count(&self, handles: &ConnectionHandles, state: &'static str, change: i64) {
        let cell = if state == ACTIVE { &handles.active } else { &handles.idle };
        let counter = cell.get_or_init(|| {
            self.attributes.instruments.open_connections.bound(&self.attributes.http([
                (a::HTTP_CONNECTION_STATE, text(state)),
                (a::NETWORK_PEER_ADDRESS, handles.peer()),
                (a::NETWORK_PROTOCOL_VERSION, handles.version()),
            ]))
        });
        if let Some(counter) = counter {
            counter.add(change);
        }
    }
}

impl ConnectionHandles {
    fn version(&self) -> Option<Value> {
        self.key.0.map(Into::into)
    }

    fn peer(&self) -> Option<Value> {
        self.key.1.map(|peer| peer.to_string().into())
    }
}

impl ConnectionState {
    fn handles(&self) -> &ConnectionHandles {
        self.used.get().unwrap_or(&self.opened)
    }
}
