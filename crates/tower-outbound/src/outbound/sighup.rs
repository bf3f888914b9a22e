//! A reload for each SIGHUP.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};

use super::Outbound;
use crate::settings::Sources;

#[cfg_attr(docsrs, doc(cfg(feature = "settings")))]
impl Outbound {
    /// [Reloads](Self::reload) the settings at each SIGHUP, on a task of the current tokio runtime. The file is read on a
    /// thread for blocking work. On Unix.
    ///
    /// From now on the signal does not end the process, also after the task has ended. Signals that arrive during a reload
    /// are one more reload. The task ends with its runtime, or by `abort` on what is returned.
    ///
    /// # Errors
    /// The signal cannot be listened to.
    ///
    /// # Panics
    /// Outside of a tokio runtime whose IO driver is enabled.
    ///
    /// # Example
    /// ```no_run
    /// use tower_outbound::Outbound;
    /// use tower_outbound::settings::Sources;
    ///
    /// # async fn run() -> std::io::Result<()> {
    /// let sources = Sources::new().file("/etc/shop/outbound.toml");
    /// let outbound = Outbound::builder().settings(sources.load()).build();
    /// outbound.reload_on_sighup(sources)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload_on_sighup(&self, sources: Sources) -> io::Result<JoinHandle<()>> {
        let mut hangup = signal(SignalKind::hangup())?;
        let outbound = self.clone();
        Ok(tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let (outbound, sources) = (outbound.clone(), sources.clone());
                // Both outcomes are in the log.
                let _ = spawn_blocking(move || outbound.reload(&sources)).await;
            }
        }))
    }
}
