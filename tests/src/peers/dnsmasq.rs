//! dnsmasq as the name server.

use std::io;

use tempfile::TempDir;

use super::process::free_addresses;
use super::{DNSMASQ, Daemon};

/// dnsmasq with the test's own names.
#[derive(Clone, Copy, Debug)]
pub struct Dnsmasq;

impl Dnsmasq {
    /// Starts dnsmasq with these options, and waits until it listens.
    ///
    /// Its output has each query: `query[A] NAME from …`.
    pub async fn start(options: &[&str]) -> io::Result<Daemon> {
        let directory = TempDir::with_prefix("outbound-dnsmasq-")?;
        // The wait connects over TCP, on which dnsmasq listens too.
        let [address] = free_addresses()?;
        let port = format!("--port={}", address.port());
        let mut arguments = vec![
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--pid-file=dnsmasq.pid",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            "--user=",
            "--group=",
            "--no-hosts",
            "--no-resolv",
            "--log-queries",
            "--log-facility=-",
            &port,
        ];
        arguments.extend(options);
        Daemon::start(DNSMASQ, directory, address, &arguments).await
    }
}
