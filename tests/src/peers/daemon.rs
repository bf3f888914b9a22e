//! A server process in its own directory, with its output in files there.

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

/// The file with its standard output and error.
const OUTPUT: &str = "output.log";

/// A running server process. Dropping it kills the process.
#[derive(Debug)]
pub struct Daemon {
    address: SocketAddr,
    // Dropped before the directory, so that nothing writes into a removed directory.
    process: Process,
    directory: TempDir,
}

impl Daemon {
    /// Starts the server in `directory` and waits until it accepts connections at `address`.
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

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URI of a path on the server.
    ///
    /// # Panics
    /// If `scheme` and `path` make no URI.
    #[must_use]
    pub fn uri(&self, scheme: &str, path: &str) -> Uri {
        format!("{scheme}://{}{path}", self.address).parse().expect("a scheme and a path")
    }

    /// Its directory, which is also its working directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its standard output and error so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.read(OUTPUT)
    }

    /// The content of this file; empty if the file does not exist.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.directory().join(file)).unwrap_or_default()
    }

    /// Waits until `done` holds, at most for `limit`. Returns whether it holds.
    pub async fn wait_for(&self, done: impl Fn(&Daemon) -> bool, limit: Duration) -> bool {
        poll(limit, || done(self).then_some(())).await.is_some()
    }

    /// Waits until the server has read all its input, at most for `limit`. Returns whether it has. Linux only.
    pub async fn has_read_all(&self, limit: Duration) -> bool {
        poll(limit, || (unread(self.address.port()) == 0).then_some(())).await.is_some()
    }

    /// Pauses the server (SIGSTOP): the system still accepts connections; nothing is read or answered.
    pub async fn pause(&self) -> io::Result<()> {
        self.process.pause().await
    }

    /// Resumes the server (SIGCONT).
    pub fn resume(&self) -> io::Result<()> {
        self.process.signal("CONT")
    }

    /// Kills the server (SIGKILL) and waits for its end. The system closes its connections: with RST if data is unread,
    /// otherwise with FIN.
    pub fn crash(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Ends the server (SIGTERM) and waits for its end. Its logs are then complete.
    pub async fn end(&mut self) -> io::Result<()> {
        self.process.end().await
    }
}

/// The number of unread bytes in the receive queues of this port.
fn unread(port: u16) -> u64 {
    // `sl local_address rem_address st tx_queue:rx_queue …`, addresses and numbers in hex.
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let local = format!(":{port:04X}");
    let queues = sockets.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (address, state) = (fields.next()?, fields.nth(1)?);
        // For a listener this is the length of the backlog, which must be 0 too.
        let queue = fields.next()?.split_once(':')?.1;
        (address.ends_with(&local) && state != "06")
            .then(|| u64::from_str_radix(queue, 16).unwrap_or_default())
    });
    queues.sum()
}
