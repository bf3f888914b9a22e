//! Latencies under a steady load.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Body;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

/// Sends `count` GETs, `concurrency` at a time, and returns their latencies, the shortest first.
///
/// A latency is the time from `poll_ready` to the end of the response's body. Each of the `concurrency` tasks sends
/// its next request after the response to its last.
///
/// # Panics
/// If a request fails, or its status is not 2xx.
pub async fn paced_requests<S, B>(client: &S, uri: &Uri, count: usize, concurrency: usize) -> Vec<Duration>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: std::fmt::Debug,
    S::Future: Send,
    B: Body + Send,
    B::Data: Send,
    B::Error: std::fmt::Debug,
{
    let begun = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..concurrency.max(1) {
        let (mut client, uri, begun) = (client.clone(), uri.clone(), Arc::clone(&begun));
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < count {
                let mut request = Request::new(Empty::new());
                *request.uri_mut() = uri.clone();
                let start = Instant::now();
                poll_fn(|cx| client.poll_ready(cx)).await.expect("a client that is ready");
                let response = client.call(request).await.expect("an answer");
                assert!(response.status().is_success(), "{}", response.status());
                response.into_body().collect().await.expect("a whole body");
                latencies.push(start.elapsed());
            }
            latencies
        });
    }
    let mut latencies: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    latencies.sort_unstable();
    latencies
}

/// The `percent` percentile (0 to 100); zero if `sorted` is empty.
///
/// `sorted` is in ascending order, as returned by [`paced_requests`].
#[must_use]
pub fn percentile(sorted: &[Duration], percent: f64) -> Duration {
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    let index = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use http_body_util::Full;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::server::LoadServer;

    #[test]
    fn percentile_uses_nearest_rank() {
        let ten: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        for (percent, expected) in
            [(0.0, 1), (10.0, 1), (11.0, 2), (50.0, 5), (90.0, 9), (99.0, 10), (100.0, 10)]
        {
            assert_eq!(percentile(&ten, percent), Duration::from_millis(expected), "{percent}");
        }
        assert_eq!(percentile(&ten[..1], 99.9), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50.0), Duration::ZERO);
    }

    #[tokio::test]
    async fn paced_requests_reach_real_server_once_each() {
        let server = LoadServer::builder().closings([]).start().await.unwrap();
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new());
        let client = client.build_http();
        let latencies = paced_requests(&client, &server.uri("/x"), 500, 8).await;
        assert_eq!((latencies.len(), server.served().len()), (500, 500));
        assert!(latencies.is_sorted() && latencies[0] > Duration::ZERO);
        assert!(server.peak() <= 8, "{}", server.peak());
    }

    /// The service answers the n-th request after n ms.
    #[tokio::test(start_paused = true)]
    async fn paced_requests_measure_service_latency_at_concurrency() {
        let (number, places) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(3)));
        let fewest = Arc::new(Mutex::new(usize::MAX));
        let least = Arc::clone(&fewest);
        let client = tower::service_fn(move |request: Request<Empty<Bytes>>| {
            let number = number.fetch_add(1, Ordering::Relaxed) as u64 + 1;
            let (places, least) = (Arc::clone(&places), Arc::clone(&least));
            async move {
                assert_eq!(request.uri(), "http://peer.test/y");
                let _place = places.try_acquire().expect("no more than three at once");
                {
                    let mut least = least.lock().unwrap();
                    *least = places.available_permits().min(*least);
                }
                tokio::time::sleep(Duration::from_millis(number)).await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        });
        let uri = Uri::from_static("http://peer.test/y");
        let latencies = paced_requests(&client, &uri, 10, 3).await;
        let expected: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        assert_eq!(latencies, expected);
        assert_eq!(*fewest.lock().unwrap(), 0, "three at once");
    }

    #[tokio::test]
    #[should_panic(expected = "503 Service Unavailable")]
    async fn paced_requests_panic_on_failed_response() {
        let client = tower::service_fn(|_: Request<Empty<Bytes>>| async {
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            Ok::<_, Infallible>(response)
        });
        paced_requests(&client, &Uri::from_static("http://peer.test/"), 1, 1).await;
    }
}
