//! Reloads by SIGHUP: each moves the storage from HTTP to S3 or back, and changes URLs, tokens, limits and threshold.

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Weak;
use std::time::Duration;
use std::{fs, process};

use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use super::ledger::Generation;
use super::peers::{BUCKET, Peers};
use crate::Snapshot;
use crate::filter::Filter;

const EVERY: Duration = Duration::from_millis(100);
/// How long a reload may take on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);
/// Limits go up and down.
const MAXSIZES: [usize; 4] = [50, 5, 20, 1];
/// So often a file that is broken comes before.
const BROKEN: u64 = 10;

/// The size above which a message is uploaded.
pub(super) fn threshold(generation: Generation) -> u64 {
    if generation.is_multiple_of(3) { 32 << 10 } else { 64 << 10 }
}

/// The file and its history.
pub(super) struct Reloads {
    directory: TempDir,
    peers: Peers,
    generation: Generation,
}

/// What came of the reloads.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) reloads: u64,
    /// From the signal until messages follow, sorted.
    pub(super) latencies: Vec<Duration>,
    pub(super) problems: Vec<String>,
    old: Vec<Weak<Snapshot>>,
}

impl Reloads {
    pub(super) fn new(peers: &Peers) -> io::Result<Self> {
        let reloads = Self { directory: tempfile::tempdir()?, peers: peers.clone(), generation: 0 };
        reloads.write(&reloads.text())?;
        Ok(reloads)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("mail-filter.toml")
    }

    /// Never half a file.
    fn write(&self, text: &str) -> io::Result<()> {
        let new = self.directory.path().join("new");
        fs::write(&new, text)?;
        fs::rename(new, self.path())
    }

    fn text(&self) -> String {
        let Self { peers, generation, .. } = self;
        let storage = match generation % 2 {
            0 => format!(
                "storage_url = \"http://{}/store/{generation}\"\nstorage_token = \"s-{generation}\"",
                peers.storage.address()
            ),
            _ => format!(
                "storage_url = \"s3://{BUCKET}/{generation}\"\ns3_endpoint = \"http://{}\"\n\
                 s3_access_key_id = \"key-{generation}\"\ns3_secret_access_key = \"secret-of-key-{generation}\"",
                peers.s3.address()
            ),
        };
        let maxsize = MAXSIZES[usize::try_from(generation % 4).unwrap_or_default()];
        format!(
            "webhook_url = \"http://{}/hook/{generation}\"\nwebhook_token = \"w-{generation}\"\n{storage}\n\
             storage_upload_threshold = {}\noutbound_http_pool_maxsize = {maxsize}\n\
             outbound_http_read_timeout = \"1s\"\n[outbound.retry]\nconnect_backoff = \"1ms\"\n",
            peers.webhook.address(),
            threshold(*generation),
        )
    }

    /// Reloads until the end.
    pub(super) async fn play(mut self, filter: &Filter, end: Instant) -> Done {
        let mut done = Done::default();
        let mut next = Instant::now() + EVERY;
        while next < end {
            sleep_until(next).await;
            next += EVERY;
            if let Err(problem) = self.reload(filter, &mut done).await {
                done.problems.push(problem);
                break;
            }
        }
        sleep_until(end).await;
        done.latencies.sort_unstable();
        done
    }

    async fn reload(&mut self, filter: &Filter, done: &mut Done) -> Result<(), String> {
        let failed = |error: io::Error| format!("the reload cannot be asked for: {error}");
        let before = filter.snapshot();
        if self.generation % BROKEN == BROKEN - 1 {
            self.write("webhook_url = [").map_err(failed)?;
            hang_up().await.map_err(failed)?;
        }
        self.generation += 1;
        self.write(&self.text()).map_err(failed)?;
        let start = Instant::now();
        hang_up().await.map_err(failed)?;
        let followed = format!("/hook/{}", self.generation);
        while !filter.snapshot().config().webhook_url.ends_with(&followed) {
            if start.elapsed() > LONGEST {
                return Err(format!("no reload within {LONGEST:?} of SIGHUP"));
            }
            sleep(Duration::from_millis(1)).await;
        }
        done.latencies.push(start.elapsed());
        done.reloads += 1;
        done.old.push(std::sync::Arc::downgrade(&before));
        Ok(())
    }
}

impl Done {
    /// The load has ended: nothing but the current snapshot is there.
    pub(super) fn check_snapshots(&mut self) {
        let left = self.old.iter().filter(|old| old.strong_count() > 0).count();
        if left > 0 {
            self.problems.push(format!("{left} old clients are still there after their last call"));
        }
    }
}

/// Signals this process. `kill` is built into the shell on every Unix.
async fn hang_up() -> io::Result<()> {
    let signal = || Command::new("sh").args(["-c", &format!("kill -HUP {}", process::id())]).status();
    match tokio::task::spawn_blocking(signal).await.map_err(io::Error::other)?? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(status.to_string())),
    }
}
