//! The thread from which telemetry leaves the process.

use std::future::Future;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::TelemetryError;

/// Above the service's; 19 in all is when nothing else runs.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What a lookup of a name may still take when everything else has ended.
const BLOCKING: Duration = Duration::from_millis(100);

/// One thread with a runtime of its own: it exports however the application's runtime is blocked, or if there
/// is none, and ends when told, whatever the receiver does.
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
            // Nothing that happens here becomes telemetry, in whichever task.
            yield_to_the_service();
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

    /// Runs it there; to be waited for from any thread.
    pub(super) fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future)
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

/// Where processors are short, the service's threads come first: encoding a batch is work that can wait.
fn yield_to_the_service() {
    // Of this thread alone; who may not do it exports at the service's priority.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

impl Drop for ExportThread {
    fn drop(&mut self) {
        self.stop();
    }
}
