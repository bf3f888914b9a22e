//! A gate that a test opens. Tests order events by gates, not by sleeps.

use tokio::sync::watch;

/// A gate that is closed until [`open`](Self::open), and open from then on. Clones share one gate.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Gate {
        Gate(watch::Sender::new(false))
    }

    /// Opens the gate: wakes all waiters; later waits return at once.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until the gate is open.
    pub async fn wait(&self) {
        // Cannot fail: `self` holds the sender.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }

    /// Whether the gate is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new()
    }
}
