//! Requests that the client below loses: hyper hands a request to a connection in the moment in which it ends.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body as _;
use http_body_util::Full;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{DuplexConnector, DuplexIo, Script, ScriptedServer};
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::connect::{Track, TrackedIo};
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::retry::LeasedBody;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{BoxError, Error, Kind, Outbound, Phase, SendState};

type Body = Full<Bytes>;
type Sent = Request<ObserveRequestBody<LeasedBody<Body>>>;
type Answer = Result<Response<Body>, Error>;

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn get() -> Request<Body> {
    Request::get(Uri::from_static("http://example.test/")).body(Body::default()).unwrap()
}

/// A client that never answers, around connections that the test opens and closes.
struct Rig {
    outbound: Outbound,
    recorder: Recorder,
    connector: Track<DuplexConnector>,
    /// How many requests the client has had.
    swallowed: Arc<AtomicUsize>,
    _server: ScriptedServer,
}

/// Opens connections, one after the other, of which each serves a request for 70 ms and ends.
async fn changing(rig: &Rig) {
    loop {
        let stack = crate::support::stack(&rig.outbound, rig.connector.clone());
        let served = stack.oneshot(get());
        assert!(timeout(Duration::from_millis(70), served).await.is_err(), "the peer hangs");
    }
}

/// A client may have a request for long.
const NO_TIMEOUT: Timeouts = Timeouts::new().first_byte(Duration::ZERO);

impl Rig {
    fn new(retries: u32) -> Self {
        let recorder = Recorder::new();
        let none = tower_outbound::retry::RetryBudget::new().share(0.0).per_second(0);
        let outbound = Outbound::builder()
            .observer(recorder.clone())
            .timeouts(NO_TIMEOUT)
            .retry(|retry| retry.max_retries(retries).budget(none).connect_budget(none))
            .build();
        let (server, peer) = ScriptedServer::duplex(Script::new().hang());
        let connector = outbound.connector(peer);
        Self { outbound, recorder, connector, swallowed: Arc::default(), _server: server }
    }

    async fn open(&self) -> TrackedIo<DuplexIo> {
        self.connector.clone().oneshot(get().into_parts().0.uri).await.unwrap()
    }

    /// Sends a request. `before` is what the client does with it before it hangs.
    fn send(&self, before: fn(&Sent)) -> impl Future<Output = Answer> + use<> {
        let swallowed = self.swallowed.clone();
        let client = service_fn(move |request: Sent| {
            swallowed.fetch_add(1, Ordering::Relaxed);
            async move {
                // As a connection's own task does it.
                tokio::spawn(async move {
                    before(&request);
                    pending::<()>().await;
                    drop(request);
                });
                pending::<Result<Response<Body>, BoxError>>().await
            }
        });
        let sent = self.outbound.layer().layer(client).oneshot(get());
        async { sent.await.map(|response| response.map(|_| Body::default())) }
    }

    fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::Relaxed)
    }
}

fn nothing(_: &Sent) {}

/// Closes a connection after each of these times.
async fn closing(rig: &Rig, after: &[u64]) {
    for seconds in after {
        let connection = rig.open().await;
        sleep(Duration::from_secs(*seconds)).await;
        drop(connection);
    }
    pending::<()>().await;
}

async fn while_closing(rig: &Rig, after: &[u64], sent: impl Future<Output = Answer>) -> Option<Answer> {
    let sent = timeout(TEN_MINUTES, sent);
    tokio::select! {
        answer = sent => answer.ok(),
        () = closing(rig, after) => unreachable!(),
    }
}

#[tokio::test(start_paused = true)]
async fn lost_request_fails_as_not_sent_a_second_after_close() {
    let rig = Rig::new(0);
    let start = Instant::now();
    let answer = while_closing(&rig, &[5], rig.send(nothing)).await.expect("an end");
    let error = answer.unwrap_err();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(6) && took < Duration::from_secs(8), "{took:?}");
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::ResponseEnded, Some(Phase::Acquire)));
    assert_eq!(failure.send_state(), Some(SendState::NotSent));
    assert_eq!(rig.recorder.outcomes(), ["response_ended in acquire"]);
    rig.recorder.wait_until(|recorder| recorder.count("AttemptEnded") == 1).await;
}

/// The task of an HTTP/2 connection has looked whether the request was dropped, and takes it a moment after it was.
#[tokio::test(start_paused = true)]
async fn lost_request_taken_in_last_moment_is_unknown() {
    let rig = Rig::new(9);
    let (dropped, on_drop) = tokio::sync::oneshot::channel::<()>();
    let dropped = Arc::new(std::sync::Mutex::new(Some((dropped, on_drop))));
    let client = service_fn(move |request: Sent| {
        let (dropped, on_drop) = dropped.lock().unwrap().take().expect("no retry");
        tokio::spawn(async move {
            let _ = on_drop.await;
            sleep(Duration::from_millis(5)).await;
            assert!(request.body().is_end_stream());
            pending::<()>().await;
        });
        async move {
            let _dropped = dropped;
            pending::<Result<Response<Body>, BoxError>>().await
        }
    });
    let sent = rig.outbound.layer().layer(client).oneshot(get());
    let sent = async { sent.await.map(|response| response.map(|_| Body::default())) };
    let error = while_closing(&rig, &[5], sent).await.expect("an end").unwrap_err();
    assert_eq!(error.failure().send_state(), Some(SendState::Unknown));
    assert_eq!(rig.recorder.count("AttemptStarted"), 1);
}

#[tokio::test(start_paused = true)]
async fn lost_request_is_retried_twice_without_budget() {
    let rig = Rig::new(9);
    let answer = while_closing(&rig, &[5, 5, 5, 5], rig.send(nothing)).await.expect("an end");
    let error = answer.unwrap_err();
    assert_eq!((rig.swallowed(), error.history().len()), (3, 2));
    assert_eq!(error.failure().send_state(), Some(SendState::NotSent));
    assert_eq!(rig.recorder.count("BackoffStarted"), 0, "at once");
}

/// Other requests are in flight, so it may stand in a queue between the layers and the client.
#[tokio::test(start_paused = true)]
async fn lost_request_beside_others_fails_after_half_a_minute() {
    let rig = Rig::new(0);
    let stack = crate::support::stack(&rig.outbound, rig.connector.clone());
    let other = tokio::spawn(stack.oneshot(get()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(rig.outbound.connections()[0].in_flight(), 1);
    let start = Instant::now();
    let answer = while_closing(&rig, &[5], rig.send(nothing)).await.expect("an end");
    assert_eq!(answer.unwrap_err().failure().send_state(), Some(SendState::NotSent));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(35) && took < Duration::from_secs(37), "{took:?}");

    // A later request is served before it.
    let start = Instant::now();
    let sent = rig.send(nothing);
    let later = async {
        sleep(Duration::from_secs(7)).await;
        tokio::spawn(crate::support::stack(&rig.outbound, rig.connector.clone()).oneshot(get()));
    };
    let (answer, ()) = tokio::join!(while_closing(&rig, &[5], sent), later);
    assert_eq!(answer.expect("an end").unwrap_err().failure().send_state(), Some(SendState::NotSent));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(7) && took < Duration::from_secs(10), "{took:?}");
    other.abort();
}

async fn while_changing(rig: &Rig, sent: impl Future<Output = Answer>) -> Option<Answer> {
    let sent = timeout(TEN_MINUTES, sent);
    tokio::select! {
        answer = sent => answer.ok(),
        () = changing(rig) => unreachable!(),
    }
}

/// Each connection ends before the request is known to be lost.
#[tokio::test(start_paused = true)]
async fn lost_request_fails_while_connections_come_and_go() {
    let rig = Rig::new(0);
    let start = Instant::now();
    let answer = while_changing(&rig, rig.send(nothing)).await.expect("an end");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(4), "{took:?}");
    assert_eq!(answer.unwrap_err().failure().send_state(), Some(SendState::NotSent));
}

#[tokio::test(start_paused = true)]
async fn request_of_old_connection_is_not_lost_beside_new_ones() {
    let rig = Rig::new(0);
    let old = rig.open().await;
    assert!(while_changing(&rig, rig.send(nothing)).await.is_none());
    drop(old);
}

#[tokio::test(start_paused = true)]
async fn request_not_lost_waits_for_ten_minutes() {
    // No connection has ended since the request was sent.
    let rig = Rig::new(2);
    drop(rig.open().await);
    sleep(Duration::from_millis(1)).await;
    assert!(while_closing(&rig, &[], rig.send(nothing)).await.is_none());

    // A connection has it: it has asked for the body.
    let rig = Rig::new(2);
    let taken: fn(&Sent) = |request| assert!(request.body().is_end_stream());
    assert!(while_closing(&rig, &[5, 5], rig.send(taken)).await.is_none());

    // A connection is being opened.
    let rig = Rig::new(2);
    let (_server, slow) = ScriptedServer::duplex(Script::new().hang());
    let slow = rig.outbound.track_layer().connect_timeout(Duration::ZERO).layer(slow.delay(2 * TEN_MINUTES));
    let opening = tokio::spawn(slow.oneshot(get().into_parts().0.uri));
    tokio::task::yield_now().await;
    assert!(while_closing(&rig, &[5, 5], rig.send(nothing)).await.is_none());
    opening.abort();

    // The connector is not ready.
    let rig = Rig::new(2);
    let connector = rig.outbound.track_layer().layer(NeverReady);
    let stack = crate::support::stack(&rig.outbound, connector);
    let sent = async { Ok(stack.oneshot(get()).await?.map(|_| Body::default())) };
    assert!(while_closing(&rig, &[5, 5], sent).await.is_none());
}

/// A connector that is never ready.
#[derive(Clone)]
struct NeverReady;

impl Service<Uri> for NeverReady {
    type Response = DuplexIo;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<DuplexIo, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), std::io::Error>> {
        std::task::Poll::Pending
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn request_waiting_for_slot_is_not_lost() {
    let recorder = Recorder::new();
    let outbound = Outbound::builder()
        .observer(recorder.clone())
        .timeouts(NO_TIMEOUT)
        .max_in_flight_per_origin(1)
        .acquire_timeout(Duration::ZERO)
        .build();
    let client = service_fn(|request: Sent| async move {
        // The first one holds the slot.
        assert!(tokio::spawn(async move { request.body().is_end_stream() }).await.unwrap());
        pending::<Result<Response<Body>, BoxError>>().await
    });
    let mut stack = outbound.layer().layer(client);
    let holder = tokio::spawn(stack.call(get()));
    tokio::task::yield_now().await;
    let waiter = tokio::spawn(stack.call(get()));
    let (_server, peer) = ScriptedServer::duplex(Script::new().hang());
    let connector = outbound.connector(peer);
    for _ in 0..3 {
        sleep(Duration::from_secs(5)).await;
        drop(connector.clone().oneshot(get().into_parts().0.uri).await.unwrap());
    }
    sleep(TEN_MINUTES).await;
    assert!(!holder.is_finished() && !waiter.is_finished());
    assert_eq!(recorder.outcomes(), Vec::<String>::new());
}
