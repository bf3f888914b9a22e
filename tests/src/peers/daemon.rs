//! A server in a directory of its own, with all that it writes kept there.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Uri;
use tempfile::TempDir;

use super::Peer;
use super::process::{Process, poll};

/// Where it writes what is not in a file of its own choice.
const OUTPUT: &str = "output.log";

/// A running server that one configuration was written for; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    // Before the directory, so that nothing writes there when it is removed.
    process: Process,
    directory: TempDir,
}

impl Daemon {
    /// Starts it in `directory` and waits until it accepts connections at `address`.
    pub(super) async fn start(
        peer: Peer,
        directory: TempDir,
        address: SocketAddr,
        arguments: &[&str],
    ) -> io::Result<Daemon> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("no {}", peer.program));
        let program = peer.find().ok_or_else(missing)?;
        let output = File::create(directory.path().join(OUTPUT))?;
        let mut command = Command::new(program);
        command.current_dir(directory.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut process = Process::spawn(&mut command)?;
        let listening = process.listening(address).await;
        let daemon = Daemon { address, process, directory };
        match listening {
            Ok(()) => Ok(daemon),
            Err(error) => Err(io::Error::other(format!("{}: {error}\n{}", peer.name, daemon.output()))),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A path on it, by its address.
    ///
    /// # Panics
    /// If `scheme` and `path` make no URI.
    #[must_use]
    pub fn uri(&self, scheme: &str, path: &str) -> Uri {
        format!("{scheme}://{}{path}", self.address).parse().expect("a scheme and a path")
    }

    /// Its directory, which is its working directory too.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has written to its standard output and error.
    #[must_use]
    pub fn output(&self) -> String {
        self.read(OUTPUT)
    }

    /// What it has written to this file; empty if there is none.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory().join(file)).unwrap_or_default()
    }

    /// Waits until `done` holds, at most for `limit`; says whether it did.
    pub async fn wait_for(&self, done: impl Fn(&Daemon) -> bool, limit: Duration) -> bool {
        poll(limit, || done(self).then_some(())).await.is_some()
    }

    /// Waits until it has read all that was sent to it, at most for `limit`; says whether it did (Linux).
    pub async fn has_read_all(&self, limit: Duration) -> bool {
        poll(limit, || (unread(self.address.port()) == 0).then_some(())).await.is_some()
    }

    /// Stops it where it is (SIGSTOP): connections to it are still made, and nothing is read or answered.
    pub async fn pause(&self) -> io::Result<()> {
        self.process.pause().await
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) -> io::Result<()> {
        self.process.signal("CONT")
    }

    /// Kills it (SIGKILL) and returns when it is gone: the system closes its connections, with a reset where
    /// something is unread.
    pub fn crash(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Asks it to end (SIGTERM) and returns when it has: its logs are whole then.
    pub async fn end(&mut self) -> io::Result<()> {
        self.process.end().await
    }
}

/// How many bytes wait in the system for whoever has this port.
fn unread(port: u16) -> u64 {
    // `sl local_address rem_address st tx_queue:rx_queue …`, addresses and numbers in hex.
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let queues = sockets.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (address, state) = (fields.next()?, fields.nth(1)?);
        // Of one that listens it is how many wait to be accepted: 0 is right for those too.
        let queue = fields.next()?.split_once(':')?.1;
        (address.ends_with(&local) && state != "06")
            .then(|| u64::from_str_radix(queue, 16).unwrap_or_default())
    });
    queues.sum()
}
