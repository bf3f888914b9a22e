//! Envoy with a static configuration of the test's own.

use std::net::SocketAddr;
use std::{fs, io};

use tempfile::TempDir;

use super::process::free_addresses;
use super::{Daemon, ENVOY};

/// Envoy, which is configured whole by the test.
#[derive(Clone, Copy, Debug)]
pub struct Envoy;

impl Envoy {
    /// Starts it with the configuration (JSON) that `config` makes for its listener's and its admin's address,
    /// and waits until the listener accepts connections.
    pub async fn start(config: impl FnOnce(SocketAddr, SocketAddr) -> String) -> io::Result<Daemon> {
        let directory = TempDir::with_prefix("outbound-envoy-")?;
        let [address, admin] = free_addresses()?;
        fs::write(directory.path().join("envoy.json"), config(address, admin))?;
        let arguments =
            ["-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"];
        Daemon::start(ENVOY, directory, address, &arguments).await
    }
}
