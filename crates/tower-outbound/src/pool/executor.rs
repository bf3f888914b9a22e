use std::fmt;
use std::future::Future;
use std::sync::Arc;

use hyper::rt::Executor;

use super::task::Place;
use crate::foreign::UploadTask;

/// Spawns the tasks of one HTTP/2 connection. Its place under the limit is free when all of them have ended.
pub(super) struct ConnExecutor<B> {
    place: Arc<Place<B>>,
}

impl<B> ConnExecutor<B> {
    pub(super) fn new(place: Arc<Place<B>>) -> Self {
        Self { place }
    }
}

impl<B, F> Executor<F> for ConnExecutor<B>
where
    B: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let (place, task) = (self.place.clone(), UploadTask::new(task));
        tokio::spawn(async move {
            let _place = place;
            task.await;
        });
    }
}

impl<B> Clone for ConnExecutor<B> {
    fn clone(&self) -> Self {
        Self { place: self.place.clone() }
    }
}

impl<B> fmt::Debug for ConnExecutor<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnExecutor")
    }
}
