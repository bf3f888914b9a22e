//! The table of open connections.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tower_outbound::Connection;
use tower_outbound::connect::{ConnectionState, Protocol};

use crate::calls::ms;

/// An open connection, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionRow {
    pub(crate) id: u64,
    pub(crate) origin: String,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
    /// `None` until the protocol is known.
    pub(crate) protocol: Option<&'static str>,
    pub(crate) tls: Option<&'static str>,
    pub(crate) state: &'static str,
    pub(crate) age_ms: f64,
    /// Since the last byte of either direction; `None` while a request uses the connection.
    pub(crate) idle_ms: Option<f64>,
    pub(crate) uses: u64,
    pub(crate) in_flight: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

impl ConnectionRow {
    fn new(connection: &Connection) -> Self {
        let state = connection.state();
        let last = connection.last_read().max(connection.last_write()).unwrap_or(connection.opened());
        let idle: Option<Duration> = (state == ConnectionState::Idle).then(|| last.elapsed());
        Self {
            id: connection.id(),
            origin: connection.origin().to_string(),
            peer: connection.peer_addr(),
            local: connection.local_addr(),
            protocol: connection.protocol().map(|protocol| match protocol {
                Protocol::Http2 => "2",
                _ => "1.1",
            }),
            tls: connection.setup().tls().map(|tls| tls.version.unwrap_or("yes")),
            state: match state {
                ConnectionState::Active => "active",
                ConnectionState::Draining => "draining",
                _ => "idle",
            },
            age_ms: ms(connection.opened().elapsed()),
            idle_ms: idle.map(ms),
            uses: connection.uses(),
            in_flight: connection.in_flight(),
            bytes_in: connection.bytes_in(),
            bytes_out: connection.bytes_out(),
        }
    }
}

/// All connections, in the order in which they were opened.
pub(crate) fn connections(open: &[Connection]) -> Vec<ConnectionRow> {
    open.iter().map(ConnectionRow::new).collect()
}
