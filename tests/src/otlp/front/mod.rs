//! A front that stands before an OTLP receiver and forwards faithfully, or does harm on demand.
//!
//! It runs on a thread of its own, so that an exporter that blocks the caller's runtime is still answered.

mod answer;
mod connection;
mod fault;
mod forward;
mod partial;
mod run;
#[cfg(test)]
mod tests;

pub use fault::{Fault, FrontProtocol};

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// A loopback port before an OTLP receiver; dropping it stops it.
///
/// The port stays its own for as long as it lives, also while it [refuses](Fault::Refused).
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Only `None` while it is dropped.
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// The new fault, and where to tell that it applies.
type Command = (Fault, mpsc::Sender<io::Result<()>>);

/// What the thread's tasks and the owner both know.
#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    protocol: FrontProtocol,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    fault: Fault,
    requests: usize,
    forwarded: usize,
    lost: usize,
    kept: usize,
    kept_spans: usize,
}

impl Front {
    /// Listens on a port that the system chooses and forwards to `upstream`, which speaks `protocol` too.
    pub fn start(upstream: SocketAddr, protocol: FrontProtocol) -> io::Result<Front> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let port = run::Port::claim()?;
        let address = port.address();
        let shared = Arc::new(Shared { upstream, protocol, state: Mutex::default(), changed: Notify::new() });
        let (commands, received) = unbounded_channel();
        let known = Arc::clone(&shared);
        // At most 15 characters, or Linux cuts it.
        let thread = std::thread::Builder::new().name(format!("front-{}", address.port()));
        let thread = thread.spawn(move || runtime.block_on(run::run(port, known, received)))?;
        let front = Front { address, shared, commands: Some(commands), thread: Some(thread) };
        front.apply(Fault::None)?;
        Ok(front)
    }

    /// Where to send OTLP, without `/v1/traces` or `/v1/metrics`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Applies when it returns: to each request that is read whole from now on, and to each new connection.
    ///
    /// A request that a former fault left without an answer stays so.
    ///
    /// # Panics
    /// If the port can no longer be listened on.
    pub fn set(&self, fault: Fault) {
        self.apply(fault).unwrap_or_else(|error| panic!("no {fault:?} at {}: {error}", self.address));
    }

    fn apply(&self, fault: Fault) -> io::Result<()> {
        let (done, applied) = mpsc::channel();
        if let Some(commands) = &self.commands {
            // Its failure shows below: `done` is gone then.
            let _ = commands.send((fault, done));
        }
        applied.recv().unwrap_or_else(|_| Err(io::Error::other("the front's thread has ended")))
    }

    /// How many requests it has read whole.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.state().requests
    }

    /// How many requests the receiver behind it has answered.
    #[must_use]
    pub fn forwarded(&self) -> usize {
        self.shared.state().forwarded
    }

    /// How many spans or data points it has rejected under [`Fault::Partial`].
    #[must_use]
    pub fn lost(&self) -> usize {
        self.shared.state().lost
    }

    /// How many spans or data points it has taken, and keeps, under [`Fault::Partial`].
    #[must_use]
    pub fn kept(&self) -> usize {
        self.shared.state().kept
    }

    /// How many of [`kept`](Self::kept) are spans.
    #[must_use]
    pub fn kept_spans(&self) -> usize {
        self.shared.state().kept_spans
    }

    /// Waits until `done` holds, at most for `limit`; says whether it did. Asked whenever a count has changed.
    ///
    /// The front lives on another thread: under a paused clock the limit passes at once.
    pub async fn wait_for(&self, done: impl Fn(&Front) -> bool, limit: Duration) -> bool {
        let wait = async {
            loop {
                let mut changed = pin!(self.shared.changed.notified());
                changed.as_mut().enable();
                if done(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("address", &self.address).field("shared", &self.shared).finish()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes who waits for a change; returns the state as it is now.
    fn update(&self, change: impl FnOnce(&mut State)) -> State {
        let mut state = self.state();
        change(&mut state);
        let now = *state;
        drop(state);
        self.changed.notify_waiters();
        now
    }
}
