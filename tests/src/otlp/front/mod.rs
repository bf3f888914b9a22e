//! A proxy before an OTLP receiver that forwards unchanged, or plays a fault.
//!
//! It runs on its own thread, so that it also answers an exporter that blocks the caller's runtime.

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

/// A loopback port before an OTLP receiver. Dropping the front stops it.
///
/// The front holds its port while it lives, also while it [refuses](Fault::Refused).
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    // `None` only during the drop.
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// The new fault, and a sender that confirms it.
type Command = (Fault, mpsc::Sender<io::Result<()>>);

/// The state shared by the thread's tasks and the owner.
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
}

impl Front {
    /// Listens on a free port and forwards to `upstream`, both over `protocol`.
    pub fn start(upstream: SocketAddr, protocol: FrontProtocol) -> io::Result<Front> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let port = run::Port::claim()?;
        let address = port.address();
        let shared = Arc::new(Shared { upstream, protocol, state: Mutex::default(), changed: Notify::new() });
        let (commands, received) = unbounded_channel();
        let known = Arc::clone(&shared);
        // Linux truncates names of more than 15 characters.
        let thread = std::thread::Builder::new().name(format!("front-{}", address.port()));
        let thread = thread.spawn(move || runtime.block_on(run::run(port, known, received)))?;
        let front = Front { address, shared, commands: Some(commands), thread: Some(thread) };
        front.apply(Fault::None)?;
        Ok(front)
    }

    /// The OTLP endpoint, without `/v1/traces` or `/v1/metrics`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the front.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the fault. After the return it applies to each new connection and to each request that is read whole.
    ///
    /// A request that an earlier fault left unanswered stays unanswered.
    ///
    /// # Panics
    /// If the front cannot listen on its port again.
    pub fn set(&self, fault: Fault) {
        self.apply(fault).unwrap_or_else(|error| panic!("no {fault:?} at {}: {error}", self.address));
    }

    fn apply(&self, fault: Fault) -> io::Result<()> {
        let (done, applied) = mpsc::channel();
        if let Some(commands) = &self.commands {
            // On failure `done` is dropped, which the next line reports.
            let _ = commands.send((fault, done));
        }
        applied.recv().unwrap_or_else(|_| Err(io::Error::other("the front's thread has ended")))
    }

    /// The number of requests read whole.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.state().requests
    }

    /// The number of requests that the receiver has answered.
    #[must_use]
    pub fn forwarded(&self) -> usize {
        self.shared.state().forwarded
    }

    /// The number of spans and data points rejected under [`Fault::Partial`].
    #[must_use]
    pub fn lost(&self) -> usize {
        self.shared.state().lost
    }

    /// Waits until `done` holds, at most for `limit`. Returns whether it holds. `done` runs after each change.
    ///
    /// The front runs on another thread: under a paused clock `limit` passes at once.
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

    /// Changes the state, wakes the waiters, and returns the new state.
    fn update(&self, change: impl FnOnce(&mut State)) -> State {
        let mut state = self.state();
        change(&mut state);
        let now = *state;
        drop(state);
        self.changed.notify_waiters();
        now
    }
}
