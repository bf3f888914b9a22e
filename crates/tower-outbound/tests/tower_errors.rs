//! Errors of tower are known with and without the crate's feature `tower`.

use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::load_shed::LoadShedLayer;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};
use tower_outbound::{Class, Failure, Kind};

/// A service that is never ready.
struct Busy;

impl Service<()> for Busy {
    type Response = ();
    type Error = BoxError;
    type Future = std::future::Ready<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        unreachable!("it is not ready")
    }
}

async fn never(_: ()) -> Result<(), BoxError> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn tower_elapsed_timeout_is_a_timeout() {
    let timeout = TimeoutLayer::new(Duration::from_secs(1)).layer(service_fn(never));
    let failure = Failure::of(&*timeout.oneshot(()).await.unwrap_err());
    assert_eq!((failure.kind(), failure.class()), (Kind::ResponseTimeout, Some(Class::Timeout)));
}

#[tokio::test]
async fn tower_shed_request_was_refused_by_a_full_queue() {
    let error = LoadShedLayer::new().layer(Busy).oneshot(()).await.unwrap_err();
    let failure = Failure::of(&*error);
    assert_eq!((failure.kind(), failure.class()), (Kind::QueueFull, None));
}

/// An error that says what tower's timeout says.
#[derive(Debug)]
struct Says;

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request timed out")
    }
}

impl Error for Says {}

#[test]
fn unknown_error_has_no_class() {
    let failure = Failure::of(&Says);
    assert_eq!((failure.kind(), failure.class()), (Kind::Other, None));
}
