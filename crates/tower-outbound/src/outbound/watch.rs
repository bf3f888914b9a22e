//! A reload when the file of the settings changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::Outbound;
use crate::settings::Sources;

/// An editor writes a file in several steps: this long after the last one the file is read.
const QUIET: Duration = Duration::from_millis(100);

/// The file is read at the latest after this time, although it changes all the time.
const LATEST: Duration = Duration::from_secs(1);

#[cfg_attr(docsrs, doc(cfg(feature = "watch")))]
impl Outbound {
    /// [Reloads](Self::reload) the settings when the content of their file changes, on a task of the current tokio runtime. The
    /// file is read on a thread for blocking work.
    ///
    /// A file may be written in place, or be replaced by renaming, as editors do. It may be a link, and one of the directories
    /// above it too: a volume of Kubernetes (`ConfigMap`) swaps such a link. The file is read 100 ms after the last of several
    /// changes; one that is not there, is broken or is half written changes nothing and is a line in the log.
    ///
    /// The task ends with its runtime, or by `abort` on what is returned. Beside it,
    /// [`reload_on_sighup`](Self::reload_on_sighup) works as before.
    ///
    /// # Errors
    /// The sources have no file, or its directory cannot be watched.
    ///
    /// # Panics
    /// Outside of a tokio runtime whose time driver is enabled.
    ///
    /// # Example
    /// ```no_run
    /// use tower_outbound::Outbound;
    /// use tower_outbound::settings::Sources;
    ///
    /// # async fn run() -> std::io::Result<()> {
    /// let sources = Sources::new().file("/etc/shop/outbound.toml");
    /// let outbound = Outbound::builder().settings(sources.load()).build();
    /// outbound.reload_on_change(sources)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload_on_change(&self, sources: Sources) -> io::Result<JoinHandle<()>> {
        let Some(path) = sources.path() else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the sources have no file"));
        };
        let changed = Arc::new(Notify::new());
        let mut watched = Watched::new(path, changed.clone())?;
        let outbound = self.clone();
        Ok(tokio::spawn(async move {
            loop {
                changed.notified().await;
                let first = Instant::now();
                while first.elapsed() < LATEST && timeout(QUIET, changed.notified()).await.is_ok() {}
                let (outbound, sources) = (outbound.clone(), sources.clone());
                let looked = spawn_blocking(move || {
                    if watched.has_changed() {
                        // Both outcomes are in the log.
                        let _ = outbound.reload(&sources);
                    }
                    watched
                });
                let Ok(back) = looked.await else { return };
                watched = back;
            }
        }))
    }
}

/// A file, and the directories whose changes may be changes of it.
struct Watched {
    path: PathBuf,
    watcher: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
    content: Option<Vec<u8>>,
}

impl Watched {
    fn new(path: &Path, changed: Arc<Notify>) -> io::Result<Self> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // To read the file is an event too.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                changed.notify_one();
            }
        });
        let mut watched = Self {
            path: path.to_owned(),
            watcher: watcher.map_err(io::Error::other)?,
            directories: BTreeSet::new(),
            content: None,
        };
        watched.watch(&directory_of(path)).map_err(io::Error::other)?;
        let _ = watched.has_changed();
        Ok(watched)
    }

    fn watch(&mut self, directory: &Path) -> notify::Result<()> {
        self.watcher.watch(directory, RecursiveMode::NonRecursive)?;
        self.directories.insert(directory.to_owned());
        Ok(())
    }

    /// Whether the file has another content than before. From now on the directory is watched to which a link leads now.
    fn has_changed(&mut self) -> bool {
        let own = directory_of(&self.path);
        let real = fs::canonicalize(&self.path).ok().map(|real| directory_of(&real));
        let gone: Vec<_> = self
            .directories
            .iter()
            .filter(|known| **known != own && Some(*known) != real.as_ref())
            .cloned()
            .collect();
        for directory in gone {
            // It may not exist any more.
            let _ = self.watcher.unwatch(&directory);
            self.directories.remove(&directory);
        }
        if let Some(real) = real.filter(|real| !self.directories.contains(real)) {
            let _ = self.watch(&real);
        }
        // After that, so that no change is missed.
        let content = fs::read(&self.path).ok();
        let changed = content != self.content;
        self.content = content;
        changed
    }
}

fn directory_of(path: &Path) -> PathBuf {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    directory.unwrap_or_else(|| Path::new(".")).to_owned()
}
