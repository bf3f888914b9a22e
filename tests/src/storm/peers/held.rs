//! Connections that a peer keeps open whatever the client does.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// The number that is held. More would use up the descriptors of the process.
const HELD: usize = 64;

/// The connections that are held: the last ones.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<VecDeque<oneshot::Sender<()>>>);

impl Held {
    /// Waits until enough others are held.
    pub(super) async fn wait(&self) {
        let (release, released) = oneshot::channel();
        {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.retain(|one| !one.is_closed());
            held.push_back(release);
            if held.len() > HELD {
                held.pop_front();
            }
        }
        let _ = released.await;
    }
}
