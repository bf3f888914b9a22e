//! Envoy with a static configuration of the test's own.

use std::net::SocketAddr;
use std::{fs, io};

use tempfile::TempDir;

use super::process::free_addresses;
use super::{Daemon, ENVOY};

/// Envoy with the test's own configuration.
#[derive(Clone, Copy, Debug)]
pub struct Envoy;

impl Envoy {
    /// Starts Envoy and waits until its listener accepts connections. `config` returns the configuration (JSON) for
    /// the addresses of the listener and of the admin interface.
    pub async fn start(config: impl FnOnce(SocketAddr, SocketAddr) -> String) -> io::Result<Daemon> {
        let directory = TempDir::with_prefix("outbound-envoy-")?;
        let [address, admin] = free_addresses()?;
        fs::write(directory.path().join("envoy.json"), config(address, admin))?;
        let arguments =
            ["-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"];
        Daemon::start(ENVOY, directory, address, &arguments).await
    }
}
