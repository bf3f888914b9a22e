//! The workload: workers send one request after another, until all are sent or the time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt as _};
use tower_outbound::{Error, Kind};

use crate::server::ID;

/// Total number of requests.
pub(crate) const REQUESTS: u64 = 10_000;
const WORKERS: usize = 64;
const BODY: Bytes = Bytes::from_static(&[b'.'; 1024]);

/// The result of a run. Requests in flight at the end are not counted.
#[derive(Debug)]
pub(crate) struct Done {
    /// Requests that succeeded, at the first attempt or later.
    pub(crate) served: u64,
    /// Requests that received no slot in time.
    pub(crate) pool_timeouts: u64,
    /// Requests that failed otherwise, or whose last attempt was refused.
    pub(crate) failed: u64,
    pub(crate) took: Duration,
}

#[derive(Debug, Default)]
struct Tally {
    /// Number of requests that were started.
    begun: AtomicU64,
    served: AtomicU64,
    pool_timeouts: AtomicU64,
    failed: AtomicU64,
}

/// Sends the requests, for at most `time`.
pub(crate) async fn drive<S, R>(client: S, uri: Uri, time: Duration, bar: ProgressBar) -> Done
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
    R: Body<Error = Error> + Send,
    R::Data: Send,
{
    let tally = Arc::new(Tally::default());
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (client, uri, tally, bar) = (client.clone(), uri.clone(), tally.clone(), bar.clone());
        // A worker that still waits at the end is dropped.
        workers.spawn(timeout_at(start + time, async move { work(client, uri, &tally, &bar).await }));
    }
    workers.join_all().await;
    Done {
        served: tally.served.load(Relaxed),
        pool_timeouts: tally.pool_timeouts.load(Relaxed),
        failed: tally.failed.load(Relaxed),
        took: start.elapsed(),
    }
}

async fn work<S, R>(client: S, uri: Uri, tally: &Tally, bar: &ProgressBar)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Error> + Clone,
    R: Body<Error = Error>,
{
    loop {
        let id = tally.begun.fetch_add(1, Relaxed);
        if id >= REQUESTS {
            return;
        }
        let mut request = Request::post(uri.clone()).body(Full::new(BODY)).expect("a method and a URI");
        request.headers_mut().insert(ID, id.into());
        let count = match attempt(client.clone(), request).await {
            Ok(true) => &tally.served,
            Err(error) if error.failure().kind() == Kind::PoolTimeout => &tally.pool_timeouts,
            Ok(false) | Err(_) => &tally.failed,
        };
        count.fetch_add(1, Relaxed);
        bar.inc(1);
    }
}

/// Returns whether the response has a success status.
async fn attempt<S, R>(client: S, request: Request<Full<Bytes>>) -> Result<bool, Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Error>,
    R: Body<Error = Error>,
{
    let response = client.oneshot(request).await?;
    let success = response.status().is_success();
    response.into_body().collect().await?;
    Ok(success)
}
