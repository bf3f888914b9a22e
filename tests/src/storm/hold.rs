//! Holds every thread of a runtime.

use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;

/// How long a thread may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `during` while this number of threads of the runtime do nothing else. Returns how many were held.
///
/// Call it from a thread outside of the runtime. What is woken meanwhile runs when the threads are free again, on all of
/// them at once.
pub(super) fn hold(runtime: &Handle, threads: usize, during: impl FnOnce()) -> usize {
    let free = Arc::new((Mutex::new(false), Condvar::new()));
    let (held, holds) = mpsc::channel();
    for _ in 0..threads {
        let (free, held) = (Arc::clone(&free), held.clone());
        runtime.spawn(async move {
            let (open, changed) = &*free;
            // The thread outside may have lost its patience.
            let _ = held.send(());
            let open = open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(changed.wait_while(open, |open| !*open));
        });
    }
    let count = (0..threads).take_while(|_| holds.recv_timeout(PATIENCE).is_ok()).count();
    during();
    let (open, changed) = &*free;
    *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
    changed.notify_all();
    count
}
