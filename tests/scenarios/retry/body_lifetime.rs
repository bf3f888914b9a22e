//! The stored request is freed when its call ends, even if the user keeps the call, its timings or its error.

use std::future::{poll_fn, ready};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::StatusCode;
use http_body::Frame;
use tower::{Service as _, service_fn};
use tower_outbound::connect::TcpIo;
use tower_outbound::{Call, Timings};

use super::*;

/// The body that the client gets.
type ClientBody = ObserveRequestBody<LeasedBody<RequestBody>>;

/// Counts the live bodies and frames that it has made.
#[derive(Clone, Default)]
struct LiveCount(Arc<()>);

/// A counted body of three counted frames.
struct CountedBody {
    frames: u8,
    alive: LiveCount,
    on_drop: Box<dyn FnMut() + Send>,
}

impl LiveCount {
    fn body(&self) -> RequestBody {
        self.body_with_drop(|| ())
    }

    fn body_with_drop(&self, on_drop: impl FnMut() + Send + 'static) -> RequestBody {
        UnsyncBoxBody::new(CountedBody { frames: 0, alive: self.clone(), on_drop: Box::new(on_drop) })
    }

    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

impl AsRef<[u8]> for LiveCount {
    fn as_ref(&self) -> &[u8] {
        b"part"
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.frames += 1;
        let frame = || Ok(Frame::data(Bytes::from_owner(self.alive.clone())));
        Poll::Ready((self.frames <= 3).then(frame))
    }
}

impl Drop for CountedBody {
    fn drop(&mut self) {
        (self.on_drop)();
    }
}

const URI: &str = "http://peer.test/";

fn response(status: StatusCode) -> Response<RequestBody> {
    let mut response = Response::new(upload("ok"));
    *response.status_mut() = status;
    response
}

#[tokio::test(start_paused = true)]
async fn retry_body_freed_with_answer_while_timings_are_kept() {
    let (fixture, alive) = (Fixture::new(), LiveCount::default());
    let client = service_fn(|request: Request<ClientBody>| async {
        request.into_body().collect().await?;
        Ok::<_, BoxError>(response(StatusCode::OK))
    });
    let mut service = fixture.layer().layer(fixture.outbound.attempt_layer().layer(client));
    let mut future = pin!(service.call(post(URI.parse().unwrap(), alive.body())));
    assert_eq!(alive.count(), 1);
    let timings = future.as_mut().await.unwrap().extensions().get::<Timings>().unwrap().clone();
    assert_eq!((alive.count(), timings.attempt().call().attempts()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn retry_body_partly_sent_freed_while_error_is_kept() {
    let (fixture, alive) = (Fixture::new(), LiveCount::default());
    let client = service_fn(|request: Request<ClientBody>| async {
        request.into_body().frame().await.unwrap()?;
        Err::<Response<RequestBody>, _>(BoxError::from("no"))
    });
    let mut service = fixture.layer().layer(fixture.outbound.attempt_layer().layer(client));
    let mut future = pin!(service.call(post(URI.parse().unwrap(), alive.body())));
    let error = future.as_mut().await.unwrap_err();
    assert_eq!((alive.count(), error.attempt().unwrap().call().attempts()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn retry_body_never_polled_returned_by_take_request() {
    let (fixture, alive) = (Fixture::new(), LiveCount::default());
    let refused = || Err::<TcpIo, _>(io::Error::from(io::ErrorKind::ConnectionRefused));
    let connector = fixture.outbound.connector(service_fn(move |_: http::Uri| ready(refused())));
    let mut service = fixture.stack(connector, &fixture.layer());
    let mut request = post(URI.parse().unwrap(), alive.body());
    request.headers_mut().insert("x-a", "1".parse().unwrap());
    let mut future = pin!(service.call(request));
    let mut error = future.as_mut().await.unwrap_err();
    assert_eq!((alive.count(), error.history().len()), (1, 2));
    let request = error.take_request::<RequestBody>().unwrap();
    assert_eq!(request.headers()["x-a"], "1");
    assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "partpartpart");
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn retry_body_freed_on_cancel_while_call_is_kept() {
    let alive = LiveCount::default();
    let client = service_fn(|request: Request<ClientBody>| async {
        let mut body = request.into_body();
        body.frame().await.unwrap()?;
        std::future::pending::<()>().await;
        drop(body);
        Ok::<_, BoxError>(response(StatusCode::OK))
    });
    let calls = Arc::new(Mutex::new(Vec::new()));
    let kept = calls.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::CallStarted { call, .. } = event {
            kept.lock().unwrap().push((*call).clone());
        }
    };
    let outbound = Outbound::builder().observer(observer).build();
    let layer = outbound.retry_layer();
    let mut service = layer.layer(outbound.attempt_layer().layer(client));
    let mut future = Box::pin(service.call(post(URI.parse().unwrap(), alive.body())));
    assert!(futures_util::poll!(&mut future).is_pending());
    // The body, and its first frame.
    assert_eq!(alive.count(), 2);
    drop(future);
    assert_eq!((alive.count(), calls.lock().unwrap().len()), (0, 1));
}

/// The bodies that a client keeps, and the calls that a user keeps.
type Leases = Arc<Mutex<Vec<(LeasedBody<RequestBody>, Call)>>>;

/// Takes `frames` frames and keeps the rest of the body. Returns whether this is the first attempt.
async fn keep(leases: Leases, frames: usize, mut request: Request<LeasedBody<RequestBody>>) -> bool {
    for _ in 0..frames {
        request.body_mut().frame().await.unwrap().unwrap();
    }
    let call = request.extensions().get::<Call>().unwrap().clone();
    let mut leases = leases.lock().unwrap();
    leases.push((request.into_body(), call));
    leases.len() == 1
}

#[tokio::test(start_paused = true)]
async fn retry_body_still_sent_after_answer_lives_until_end() {
    for taken in 0..=3 {
        let (fixture, alive, leases) = (Fixture::new(), LiveCount::default(), Leases::default());
        let client = service_fn(|request| async {
            keep(leases.clone(), taken, request).await;
            Ok::<_, BoxError>(response(StatusCode::OK))
        });
        let mut service = fixture.layer().layer(client);
        let response = service.call(post(URI.parse().unwrap(), alive.body())).await.unwrap();
        // No frame that the client took is stored.
        assert_eq!((response.status().as_u16(), alive.count()), (200, 1), "{taken} taken");
        let (mut lease, _call) = leases.lock().unwrap().pop().unwrap();
        for _ in taken..3 {
            assert_eq!(lease.frame().await.unwrap().unwrap().into_data().unwrap(), "part");
            assert_eq!(alive.count(), 1);
        }
        assert!(lease.frame().await.is_none());
        drop(lease);
        assert_eq!(alive.count(), 0, "{taken} taken");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_body_still_sent_after_cancel_is_whole() {
    let (fixture, alive, leases) = (Fixture::new(), LiveCount::default(), Leases::default());
    let client = service_fn(|request| async {
        keep(leases.clone(), 1, request).await;
        std::future::pending::<Result<Response<RequestBody>, BoxError>>().await
    });
    let mut service = fixture.layer().layer(client);
    let mut future = Box::pin(service.call(post(URI.parse().unwrap(), alive.body())));
    assert!(futures_util::poll!(&mut future).is_pending());
    drop(future);
    let (lease, _call) = leases.lock().unwrap().pop().unwrap();
    assert_eq!(lease.collect().await.unwrap().to_bytes(), "partpart");
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn retry_body_lifetime_independent_of_earlier_attempt() {
    let (fixture, alive, leases) = (Fixture::new(), LiveCount::default(), Leases::default());
    let client = service_fn(|request| async {
        // All frames, not yet the end.
        let first = keep(leases.clone(), 3, request).await;
        Ok::<_, BoxError>(response(if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }))
    });
    let mut service = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).layer(client);
    let response = service.call(post(URI.parse().unwrap(), alive.body())).await.unwrap();
    assert_eq!((response.status().as_u16(), alive.count()), (200, 1));
    let ((old, _call), (new, _)) = {
        let mut leases = leases.lock().unwrap();
        (leases.remove(0), leases.remove(0))
    };
    drop(old);
    assert_eq!(alive.count(), 1, "the second attempt still has the body");
    drop(new);
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn retry_body_drop_may_call_back_into_body() {
    let (fixture, alive, leases) = (Fixture::new(), LiveCount::default(), Leases::default());
    let client = service_fn(|request| async {
        let first = keep(leases.clone(), 3, request).await;
        Ok::<_, BoxError>(response(if first { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }))
    });
    let (leases_in_drop, drops) = (leases.clone(), Arc::new(Mutex::new(0)));
    let count = drops.clone();
    let body = alive.body_with_drop(move || {
        // Locks the replay buffer.
        assert!(!http_body::Body::is_end_stream(&leases_in_drop.lock().unwrap()[0].0));
        *count.lock().unwrap() += 1;
    });
    let mut service = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).layer(client);
    service.call(post(URI.parse().unwrap(), body)).await.unwrap();
    let (newer, _call) = leases.lock().unwrap().pop().unwrap();
    drop(newer);
    assert_eq!((alive.count(), *drops.lock().unwrap()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn retry_body_poll_may_drop_own_call() {
    type CallFuture = Pin<Box<dyn Future<Output = Result<Response<RequestBody>, Error>> + Send>>;
    let (fixture, leases) = (Fixture::new(), Leases::default());
    let call = Arc::new(Mutex::new(None::<CallFuture>));
    let own_call = call.clone();
    let body = http_body_util::StreamBody::new(futures_util::stream::once(poll_fn(move |_| {
        assert!(own_call.lock().unwrap().take().is_some());
        Poll::Ready(Ok(Frame::data(Bytes::from_static(b"whole"))))
    })));
    let kept = leases.clone();
    let client = service_fn(move |request| {
        let kept = kept.clone();
        async move {
            keep(kept, 0, request).await;
            std::future::pending::<Result<Response<RequestBody>, BoxError>>().await
        }
    });
    let mut service = fixture.layer().layer(client);
    let mut future: CallFuture = Box::pin(service.call(post(URI.parse().unwrap(), UnsyncBoxBody::new(body))));
    assert!(futures_util::poll!(&mut future).is_pending());
    *call.lock().unwrap() = Some(future);
    let (lease, _) = leases.lock().unwrap().pop().unwrap();
    assert_eq!(lease.collect().await.unwrap().to_bytes(), "whole");
    assert_eq!(fixture.events(), ["call", "call cancelled in acquire"]);
}

#[tokio::test(start_paused = true)]
async fn retry_body_ends_without_error_if_answer_is_returned() {
    for with_length in [true, false] {
        let (fixture, alive, leases) = (Fixture::new(), LiveCount::default(), Leases::default());
        let client = service_fn(|request| async {
            keep(leases.clone(), 3, request).await;
            let mut response = response(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert("retry-after", "86400".parse().unwrap());
            Ok::<_, BoxError>(response)
        });
        let mut service = fixture.layer().status([StatusCode::SERVICE_UNAVAILABLE]).layer(client);
        let mut request = post(URI.parse().unwrap(), alive.body());
        if with_length {
            request.headers_mut().insert("content-length", "12".parse().unwrap());
        }
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let (mut lease, _call) = leases.lock().unwrap().pop().unwrap();
        // The end, not an error that would reset the stream.
        assert!(lease.frame().await.is_none(), "with a length: {with_length}");
        assert_eq!(fixture.events(), ["call", "no retry status: retry_after", "call ok"]);
    }
}
