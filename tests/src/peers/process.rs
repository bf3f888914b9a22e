//! A child process that ends with its handle.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

/// The timeout until a peer accepts its first connection.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// The polling interval: a process has no gate to wait for.
const POLL: Duration = Duration::from_millis(5);

/// A child process. Dropping it kills the process and waits for its end.
#[derive(Debug)]
pub(super) struct Process(pub(super) Child);

impl Process {
    pub(super) fn spawn(command: &mut Command) -> io::Result<Process> {
        command.spawn().map(Process)
    }

    /// Waits until the process accepts connections at this address; fails if the process ends first.
    pub(super) async fn listening(&mut self, address: SocketAddr) -> io::Result<()> {
        let start = Instant::now();
        loop {
            // Checked first: another process may have taken the port.
            if let Some(status) = self.0.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if TcpStream::connect(address).await.is_ok() && self.listens(address.port()) {
                return Ok(());
            }
            if start.elapsed() > READY_WITHIN {
                return Err(io::Error::other(format!("nothing listens on {address}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether this process listens there, and not another that was faster. Always true without `/proc`.
    fn listens(&self, port: u16) -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", self.0.id())) else { return true };
        let own: Vec<_> = files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).collect();
        let tcp = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        tcp.lines().any(|line| {
            // `sl local_address rem_address st … inode`: 0A is LISTEN.
            let fields: Vec<_> = line.split_whitespace().collect();
            let listens =
                fields.len() > 9 && fields[3] == "0A" && fields[1].ends_with(&format!(":{port:04X}"));
            listens && own.contains(&PathBuf::from(format!("socket:[{}]", fields[9])))
        })
    }

    /// Sends a signal, by its short name.
    pub(super) fn signal(&self, name: &str) -> io::Result<()> {
        // `kill` is built into the shell on every Unix.
        let kill = format!("kill -{name} {}", self.0.id());
        match Command::new("sh").args(["-c", &kill]).status()? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("{kill}: {status}"))),
        }
    }

    /// Pauses all threads of the process.
    pub(super) async fn pause(&self) -> io::Result<()> {
        self.signal("STOP")?;
        let tasks = format!("/proc/{}/task", self.0.id());
        match poll(READY_WITHIN, || all_stopped(tasks.as_ref()).then_some(())).await {
            Some(()) => Ok(()),
            None => Err(io::Error::other("the process still runs after SIGSTOP")),
        }
    }

    /// Kills the process, paused or not, and waits for its end.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.0.kill()?;
        self.0.wait().map(drop)
    }

    /// Sends SIGTERM to the process, paused or not, and waits for its end. Fails if the end takes too long.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        // The id of a reaped process may belong to another process.
        if self.0.try_wait()?.is_some() {
            return Ok(());
        }
        self.signal("TERM")?;
        self.signal("CONT")?;
        match poll(READY_WITHIN, || self.0.try_wait().transpose()).await {
            Some(ended) => ended.map(drop),
            None => Err(io::Error::other("the process still runs after SIGTERM")),
        }
    }
}

/// Whether all threads are stopped: a thread handles the signal when it next runs. Always true without `/proc`.
fn all_stopped(tasks: &Path) -> bool {
    let stopped = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T "));
    let Ok(tasks) = tasks.read_dir() else { return true };
    tasks.flatten().all(|task| std::fs::read_to_string(task.path().join("stat")).is_ok_and(stopped))
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Polls `ask` until it returns a value, or `limit` has passed.
pub(super) async fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > limit {
            return None;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Free loopback addresses. Another process may take them before their use.
pub(super) fn free_addresses<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    // All listeners are open at once, so that the ports differ.
    let mut listeners = Vec::with_capacity(N);
    for address in &mut addresses {
        let listener = TcpListener::bind(*address)?;
        *address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok(addresses)
}
