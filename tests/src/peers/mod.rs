//! Independent software as the peer: found on the machine or installed by `tests/peers/install`.

#[cfg(feature = "cells")]
pub mod checks;
mod collector;
mod daemon;
mod dnsmasq;
#[cfg(unix)]
mod dovecot;
mod envoy;
mod haproxy;
mod jaeger;
mod nginx;
mod process;
mod prometheus;
mod rotel;

pub use collector::{Collector, Entrance};
pub use daemon::Daemon;
pub use dnsmasq::Dnsmasq;
#[cfg(unix)]
pub use dovecot::Dovecot;
pub use envoy::Envoy;
pub use haproxy::Haproxy;
pub use jaeger::Jaeger;
pub use nginx::{Access, Nginx, NginxConfig};
pub use prometheus::{Alert, Prometheus, Sample};
pub use rotel::Rotel;

use std::path::{Path, PathBuf};

/// A program that checks need.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its name, also in `tests/peers/install`.
    pub name: &'static str,
    /// Its executable.
    pub program: &'static str,
}

/// nginx, an HTTP server.
pub const NGINX: Peer = Peer { name: "nginx", program: "nginx" };

/// haproxy, a proxy for TCP and HTTP.
pub const HAPROXY: Peer = Peer { name: "haproxy", program: "haproxy" };

/// Envoy, a proxy for HTTP.
pub const ENVOY: Peer = Peer { name: "envoy", program: "envoy" };

/// dnsmasq, a name server.
pub const DNSMASQ: Peer = Peer { name: "dnsmasq", program: "dnsmasq" };

/// Chromium, a browser.
pub const CHROMIUM: Peer = Peer { name: "chromium", program: "chromium" };

/// dovecot, an IMAP server.
pub const DOVECOT: Peer = Peer { name: "dovecot", program: "dovecot" };

/// The OpenTelemetry Collector.
pub const COLLECTOR: Peer = Peer { name: "collector", program: "otelcol-peer" };

/// Prometheus.
pub const PROMETHEUS: Peer = Peer { name: "prometheus", program: "prometheus-peer" };

/// The tool that checks Prometheus's rules; `tests/peers/install prometheus` builds it too.
pub const PROMTOOL: Peer = Peer { name: "prometheus", program: "promtool-peer" };

/// Jaeger. It takes too long to build for every machine: its checks are optional.
pub const JAEGER: Peer = Peer { name: "jaeger", program: "jaeger-peer" };

/// rotel, an OpenTelemetry collector.
pub const ROTEL: Peer = Peer { name: "rotel", program: "rotel-agent" };

impl Peer {
    /// The path of the executable, if it is installed.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        find(self.program)
    }
}

/// Looks for an executable in `PATH`, in `tests/peers/bin`, then in the directory `OUTBOUND_PEERS_DIR`.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/bin");
    let given = std::env::var_os("OUTBOUND_PEERS_DIR").map(PathBuf::from);
    let places = std::env::split_paths(&path).chain([own]).chain(given);
    places.map(|place| place.join(program)).find(|file| file.is_file())
}
