//! Cores: one for the client, one for the server.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Fallible;

/// Keeps this thread, and those that it starts, on this one of the process's cores, if there is more than one.
pub(crate) fn stay_on(core: usize) -> Fallible<()> {
    let allowed = sched_getaffinity(None)?;
    let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect();
    if let (true, Some(&core)) = (allowed.len() > 1, allowed.get(core)) {
        let mut only = CpuSet::new();
        only.set(core);
        sched_setaffinity(None, &only)?;
    }
    Ok(())
}
