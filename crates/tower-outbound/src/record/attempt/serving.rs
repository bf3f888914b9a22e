use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::Waker;

use super::end::AttemptEnd;
use super::inner::AttemptInner;
use crate::record::{Connection, PoolHandle, Setup, Use};

/// Which connection serves an attempt, and which setups were started for the attempt.
#[derive(Default)]
pub(in crate::record) struct Serving {
    pub(in crate::record) connection: Option<Connection>,
    pub(in crate::record) usage: Option<Use>,
    /// The connection counts this use until [`end_use`](Connection::end_use).
    pub(super) counted: bool,
    /// The client fills the handle when it picks a connection, if the client supports that.
    pub(super) pool_handle: Option<Arc<dyn PoolHandle>>,
    pub(in crate::record) setups: Vec<Setup>,
    /// How many associations are still to be reported.
    pub(in crate::record) unreported: u32,
    pub(super) finished: bool,
    /// The end, while it waits for these reports.
    pub(super) end: Option<AttemptEnd>,
    /// A connection that is not tracked has taken the request.
    pub(super) taken_untracked: bool,
    /// The task that waits for the rest of the request's body.
    pub(super) uploader: Option<Waker>,
    /// The attempt has ended, and its upload goes on: the connection still counts this use.
    pub(super) uploading: Option<Connection>,
}

impl AttemptInner {
    pub(in crate::record) fn serving(&self) -> MutexGuard<'_, Serving> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
