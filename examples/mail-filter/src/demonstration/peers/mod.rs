//! The peers, which keep logs of their own and fail on demand.

mod peer;
mod s3;
mod storage;
mod webhook;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use outbound_tests::otlp::hosts::Role;
use tempfile::TempDir;

pub(super) use self::peer::{Mode, Peer};
use super::ledger::Ledger;

/// The bucket of the S3 storage.
pub(super) const BUCKET: &str = "mail";

/// All peers. Clones share them.
#[derive(Clone)]
pub(super) struct Peers {
    pub(super) webhook: Arc<Peer>,
    pub(super) storage: Arc<Peer>,
    pub(super) s3: Arc<Peer>,
    sockets: Arc<Sockets>,
    /// The files of the S3 storage.
    _directory: Arc<TempDir>,
}

/// Open sockets of all peers.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Sockets {
    fn open(&self) {
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.most.fetch_max(open, Relaxed);
    }

    fn close(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Peers {
    pub(super) async fn start(ledger: &Arc<Ledger>) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::create_dir(directory.path().join(BUCKET))?;
        let sockets = Arc::new(Sockets::default());
        let start = |handler| Peer::start(handler, sockets.clone());
        Ok(Self {
            webhook: Arc::new(start(webhook::handler(ledger.clone())).await?),
            storage: Arc::new(start(storage::handler(ledger.clone())).await?),
            s3: Arc::new(start(s3::handler(ledger.clone(), directory.path())?).await?),
            sockets,
            _directory: Arc::new(directory),
        })
    }

    /// The largest number of sockets that were open at once, to all peers together.
    pub(super) fn most_sockets(&self) -> usize {
        self.sockets.most.load(Relaxed)
    }

    pub(super) fn roles(&self) -> [Role; 3] {
        [
            (self.webhook.address(), "the webhook"),
            (self.storage.address(), "the storage over HTTP"),
            (self.s3.address(), "the storage over S3"),
        ]
    }
}
