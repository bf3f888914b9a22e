//! The export thread.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::TelemetryError;

/// The timeout of a DNS lookup or a given exporter that still runs at the end.
const BLOCKING: Duration = Duration::from_millis(100);

/// A thread with a runtime of its own. Exports also if the application's runtime is blocked or absent. Ends on request,
/// whatever the receiver does.
#[derive(Debug)]
pub(crate) struct ExportThread {
    handle: Handle,
    end: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl ExportThread {
    pub(crate) fn start() -> Result<Self, TelemetryError> {
        let failed = |error| TelemetryError::new("starting the export thread", error);
        let (ready, started) = mpsc::sync_channel(1);
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("otlp-export".into()).spawn(move || {
            // The export must not be observed, in any task.
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            let suppress = || std::mem::forget(Context::enter_telemetry_suppressed_scope());
            let mut builder = Builder::new_current_thread();
            match builder.enable_all().on_thread_start(suppress).thread_name("otlp-blocking").build() {
                Err(error) => drop(ready.send(Err(error))),
                Ok(runtime) => {
                    let _ = ready.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(ended);
                    runtime.shutdown_timeout(BLOCKING);
                }
            }
        });
        let thread = thread.map_err(failed)?;
        let handle = started.recv().unwrap_or_else(|_| Err(std::io::Error::other("it panicked")));
        Ok(Self { handle: handle.map_err(failed)?, end: Some((end, thread)) })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends every connection and the thread.
    pub(crate) fn stop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}

impl Drop for ExportThread {
    fn drop(&mut self) {
        self.stop();
    }
}
