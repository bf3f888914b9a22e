//! Knows which of the tasks that a channel spawns drive its connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use ::hyper::rt::Executor;

use crate::foreign::driven_connection;
use crate::record::{Connection, Protocol};

/// What tonic spawns.
pub(super) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// With a connection, hyper spawns the task of its IO, and then tonic the one that takes the requests.
const TASKS: u8 = 2;

/// The connection that the channel has opened last, and how many of its tasks are still to be spawned.
///
/// A channel opens one at a time, in the poll that then spawns them.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened(Arc<Mutex<Option<(Connection, u8)>>>);

impl Opened {
    pub(super) fn set(&self, connection: &Connection) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((connection.clone(), TASKS));
    }

    /// Whose task is being spawned.
    fn take(&self) -> Option<Connection> {
        let mut opened = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, left) = opened.take()?;
        if left > 1 {
            *opened = Some((connection.clone(), left - 1));
        }
        Some(connection)
    }
}

/// Spawns what a channel spawns, and lets each connection's tasks say whose they are.
pub(super) struct Spawner {
    inner: Arc<dyn Executor<Task> + Send + Sync>,
    opened: Opened,
}

impl Spawner {
    pub(super) fn new(inner: Arc<dyn Executor<Task> + Send + Sync>, opened: Opened) -> Self {
        Self { inner, opened }
    }
}

impl Executor<Task> for Spawner {
    fn execute(&self, task: Task) {
        // What an older connection spawns for its streams is none of it.
        let opened = if driven_connection().is_none() { self.opened.take() } else { None };
        match opened {
            Some(connection) => {
                // hyper has sent the preface before it spawns anything; only TLS above can have hidden it.
                if connection.io().is_opaque() {
                    connection.io().set_protocol(Protocol::Http2);
                }
                self.inner.execute(Box::pin(connection.drive(task)));
            }
            None => self.inner.execute(task),
        }
    }
}
