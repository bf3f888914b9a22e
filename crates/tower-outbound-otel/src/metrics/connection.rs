//! What is recorded of a connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter};
use tower_outbound::{CloseReason, Closed, Connection, Kind, Protocol};

use super::instruments::Bind;
use super::origin::{OriginMetrics, kind, text};
use crate::names::{attribute as a, outbound as o};

const ACTIVE: &str = "active";
const IDLE: &str = "idle";

/// What varies between the connections of one origin.
pub(super) type ConnectionKey = (Option<&'static str>, Option<IpAddr>);
pub(super) type CloseKey = (CloseReason, bool, Option<Kind>);

#[derive(Debug)]
pub(super) struct ConnectionHandles {
    active: Option<BoundUpDownCounter<i64>>,
    idle: Option<BoundUpDownCounter<i64>>,
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

fn add(counter: &Option<BoundUpDownCounter<i64>>, change: i64) {
    if let Some(counter) = counter {
        counter.add(change);
    }
}

impl OriginMetrics {
    pub(super) fn connection_opened(&self, connection: &Connection) -> ConnectionState {
        let opened = self.connection_handles(connection);
        add(&opened.idle, 1);
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
        add(&before.idle, -1);
        add(&now.active, 1);
    }

    pub(super) fn connection_closed(
        &self,
        connection: &Connection,
        state: &ConnectionState,
        closed: &Closed,
    ) {
        let handles = state.handles();
        add(if closed.was_active() { &handles.active } else { &handles.idle }, -1);
        let duration = handles.duration.get_or_init(|| self.bind_duration(connection));
        if let Some(duration) = duration {
            duration.record(closed.lifetime().as_secs_f64());
        }
        let key = (closed.reason(), closed.killed_exchange(), closed.error());
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
        let uses = self.uses.get((), || self.instruments.connection_exchanges.bound(&self.outbound([])));
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
        self.connections.get(key, || {
            let bind = |state| {
                self.instruments.open_connections.bound(&self.http([
                    (a::HTTP_CONNECTION_STATE, text(state)),
                    (a::NETWORK_PEER_ADDRESS, key.1.map(|peer| peer.to_string().into())),
                    (a::NETWORK_PROTOCOL_VERSION, key.0.map(Into::into)),
                ]))
            };
            ConnectionHandles { active: bind(ACTIVE), idle: bind(IDLE), duration: OnceLock::new() }
        })
    }

    fn bind_duration(&self, connection: &Connection) -> Option<BoundHistogram<f64>> {
        let (version, peer) = self.connection_key(connection);
        self.instruments.connection_duration.bound(&self.http([
            (a::NETWORK_PEER_ADDRESS, peer.map(|peer| peer.to_string().into())),
            (a::NETWORK_PROTOCOL_VERSION, version.map(Into::into)),
        ]))
    }
}

impl ConnectionState {
    fn handles(&self) -> &ConnectionHandles {
        self.used.get().unwrap_or(&self.opened)
    }

    pub(super) fn idle(&self) {
        let handles = self.handles();
        add(&handles.active, -1);
        add(&handles.idle, 1);
    }
}
