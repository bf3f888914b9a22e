//! The executor of a channel, which knows the tasks that drive the channel's connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use ::hyper::rt::Executor;

use crate::foreign::{UploadTask, driven_connection};
use crate::record::{Connection, Protocol};

/// A task that tonic spawns.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// For each connection hyper spawns a task for the IO, then tonic one for the requests.
const TASKS: u8 = 2;

/// The channel's newest connection, and the number of its tasks that are not spawned yet.
///
/// A channel opens one connection at a time, and spawns both tasks in the same poll.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenedConnection(Arc<Mutex<Option<(Connection, u8)>>>);

impl OpenedConnection {
    pub(super) fn set(&self, connection: &Connection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((connection.clone(), TASKS));
    }

    /// The connection whose task is being spawned.
    fn take(&self) -> Option<Connection> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, left) = opened.take()?;
        if left > 1 {
            *opened = Some((connection.clone(), left - 1));
        }
        Some(connection)
    }
}

/// Spawns a channel's tasks; the tasks of a connection within [`Connection::drive`].
pub(super) struct ChannelExecutor {
    inner: Arc<dyn Executor<Task> + Send + Sync>,
    opened: OpenedConnection,
}

impl ChannelExecutor {
    pub(super) fn new(inner: Arc<dyn Executor<Task> + Send + Sync>, opened: OpenedConnection) -> Self {
        Self { inner, opened }
    }
}

impl Executor<Task> for ChannelExecutor {
    fn execute(&self, task: Task) {
        // A task that an older connection spawns for a stream is not one of the two.
        if driven_connection().is_some() {
            return self.inner.execute(UploadTask::boxed(task));
        }
        match self.opened.take() {
            Some(connection) => {
                // hyper sends the preface before it spawns a task. TLS above the connection hides the preface.
                if connection.io().is_opaque() {
                    connection.io().set_protocol(Protocol::Http2);
                }
                self.inner.execute(Box::pin(connection.drive(task)));
            }
            None => self.inner.execute(task),
        }
    }
}
