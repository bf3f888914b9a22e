use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use hyper::rt::Executor;

use super::task::Place;
use crate::foreign::UploadTask;

/// Spawns the tasks of one HTTP/2 connection of a [`Pool`](super::Pool). Its place under the limit is free when all of them
/// have ended.
#[derive(Clone)]
pub struct PoolExecutor {
    /// Of any request body.
    place: Arc<dyn Any + Send + Sync>,
}

impl PoolExecutor {
    pub(super) fn new<B: Send + 'static>(place: Arc<Place<B>>) -> Self {
        Self { place }
    }
}

impl<F> Executor<F> for PoolExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    #[inline]
    fn execute(&self, task: F) {
        tokio::spawn(UploadTask::new(task, self.place.clone()));
    }
}

impl fmt::Debug for PoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PoolExecutor")
    }
}
