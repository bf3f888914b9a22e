//! A gate opened by hand: order in tests comes from gates, not from sleeps.

use tokio::sync::watch;

/// Closed until somebody opens it, open for ever after. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Gate {
        Gate(watch::Sender::new(false))
    }

    /// Lets everyone through who waits, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    pub async fn wait(&self) {
        // It cannot fail: `self` keeps the sender.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }

    /// Whether it is open.
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
