//! What is recorded of a connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::Value;
use tower_outbound::connect::{CloseReason, Closed, Protocol};
use tower_outbound::{Connection, Kind};

use super::bound::{Bind, BoundHistogram, BoundUpDownCounter};
use super::origin::{OriginMetrics, kind, text};
use crate::names::{attribute as a, outbound as o};

const ACTIVE: &str = "active";
const IDLE: &str = "idle";

/// What varies between the connections of one origin.
pub(super) type ConnectionKey = (Option<&'static str>, Option<IpAddr>);
pub(super) type CloseKey = (CloseReason, bool, Option<Kind>);

#[derive(Debug)]
pub(super) struct ConnectionHandles {
    key: ConnectionKey,
    /// Bound when first recorded, as are the others: what is bound is exported.
    active: OnceLock<Option<BoundUpDownCounter<i64>>>,
    idle: OnceLock<Option<BoundUpDownCounter<i64>>>,
    duration: OnceLock<Option<BoundHistogram<f64>>>,
}

/// What is kept in a connection: what was added with some attributes is taken away with the same.
#[derive(Debug)]
pub(super) struct ConnectionState {
    opened: Arc<ConnectionHandles>,
    /// Set when it is first active: only then is it known what it speaks.
    used: OnceLock<Arc<ConnectionHandles>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// The version that a connection speaks, as far as it is known.
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

impl OriginMetrics {
    pub(super) fn connection_opened(&self, connection: &Connection) -> ConnectionState {
        let opened = self.connection_handles(connection);
        self.open_connections(&opened, IDLE, 1);
        ConnectionState {
            opened,
            used: OnceLock::new(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }
    }

    pub(super) fn connection_active(&self, connection: &Connection, state: &ConnectionState) {
        let before = state.handles();
        let now = state.used.get_or_init(|| self.connection_handles(connection));
        self.open_connections(before, IDLE, -1);
        self.open_connections(now, ACTIVE, 1);
    }

    pub(super) fn connection_idle(&self, state: &ConnectionState) {
        let handles = state.handles();
        self.open_connections(handles, ACTIVE, -1);
        self.open_connections(handles, IDLE, 1);
    }

    pub(super) fn connection_closed(
        &self,
        connection: &Connection,
        state: &ConnectionState,
        closed: &Closed,
    ) {
        self.open_connections(state.handles(), if closed.was_active() { ACTIVE } else { IDLE }, -1);
        // What it speaks may have become known since.
        let handles = self.connection_handles(connection);
        let duration = handles.duration.get_or_init(|| {
            self.instruments.connection_duration.bound(&self.http([
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
            self.instruments.connection_closed.bound(&self.outbound([
                (a::ERROR_TYPE, kind(error)),
                (a::HTTP_CONNECTION_STATE, text(if killed { ACTIVE } else { IDLE })),
                (o::CLOSE_REASON, text(reason.as_str())),
            ]))
        });
        if let Some(counter) = &*counter {
            counter.add(1);
        }
        let uses = self.uses.get((), || self.instruments.connection_attempts.bound(&self.outbound([])));
        if let Some(uses) = &*uses {
            uses.record(connection.uses());
        }
        self.connection_io(connection, state);
    }

    /// Adds the bytes since the last time: a connection may live for days.
    pub(super) fn connection_io(&self, connection: &Connection, state: &ConnectionState) {
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
                self.instruments.connection_io.bound(&self.outbound([direction]))
            });
            if let Some(counter) = &*counter {
                counter.add(more);
            }
        }
    }

    fn connection_key(&self, connection: &Connection) -> ConnectionKey {
        let peer = connection.peer_addr().filter(|_| self.with().peer_address);
        (version(connection), peer.map(|peer| peer.ip()))
    }

    fn connection_handles(&self, connection: &Connection) -> Arc<ConnectionHandles> {
        let key = self.connection_key(connection);
        self.connections.get(key, || ConnectionHandles {
            key,
            active: OnceLock::new(),
            idle: OnceLock::new(),
            duration: OnceLock::new(),
        })
    }

    fn open_connections(&self, handles: &ConnectionHandles, state: &'static str, change: i64) {
        let cell = if state == ACTIVE { &handles.active } else { &handles.idle };
        let counter = cell.get_or_init(|| {
            self.instruments.open_connections.bound(&self.http([
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
