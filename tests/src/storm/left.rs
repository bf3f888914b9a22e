//! What a storm leaves behind.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::peers::Peers;

/// How often to look.
const MOMENT: Duration = Duration::from_millis(20);
/// How many looks in a row must find nothing.
const LOOKS: u32 = 3;

/// What is left some time after the client was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Sockets of the client's side.
    pub sockets: usize,
    /// Tasks of the client's runtime.
    pub tasks: usize,
    /// Slots of the in-flight limit that were not returned.
    pub permits: usize,
    /// What the gauges of attempts, connections and connects still count.
    pub gauges: usize,
}

/// What is counted, and where counting starts.
pub(super) struct Watch<'a> {
    runtime: &'a Handle,
    ledger: &'a Ledger,
    peers: &'a Peers,
    sockets: usize,
    tasks: usize,
}

impl<'a> Watch<'a> {
    /// Starts before the first call.
    pub(super) fn new(runtime: &'a Handle, ledger: &'a Ledger, peers: &'a Peers) -> io::Result<Watch<'a>> {
        let tasks = runtime.metrics().num_alive_tasks();
        Ok(Watch { runtime, ledger, peers, sockets: sockets()?, tasks })
    }

    /// Waits until nothing is left, for this time at most. Blocks the thread.
    ///
    /// A peer that closes a connection between the two counts of sockets hides a socket of the client's side. So nothing is
    /// left if several looks in a row find nothing.
    pub(super) fn settle(&self, limit: Duration) -> io::Result<Left> {
        let end = Instant::now() + limit;
        let mut found_nothing = 0;
        loop {
            let left = self.left()?;
            found_nothing = if left == Left::default() { found_nothing + 1 } else { 0 };
            if found_nothing == LOOKS || Instant::now() >= end {
                return Ok(left);
            }
            std::thread::sleep(MOMENT);
        }
    }

    fn left(&self) -> io::Result<Left> {
        let open = self.peers.open();
        Ok(Left {
            sockets: sockets()?.saturating_sub(self.sockets + open),
            tasks: self.runtime.metrics().num_alive_tasks().saturating_sub(self.tasks),
            permits: self.ledger.permits(),
            gauges: self.ledger.gauges(),
        })
    }
}

/// The open sockets of this process.
fn sockets() -> io::Result<usize> {
    let open = std::fs::read_dir("/proc/self/fd")?;
    // The descriptor that reads the folder is listed, and closed by then.
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    Ok(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
}
