//! Waiting: the order, the phase, and what a waiting request does not hold.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use outbound_tests::gate::Gate;
use outbound_tests::server::Script;
use tokio::time::Instant;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Phase, Timings};

use super::*;

#[tokio::test(start_paused = true)]
async fn queue_is_fifo_per_origin() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(2));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&sent);
    let service = outbound.attempt_layer().layer(tower::service_fn(move |request: Request<_>| {
        log.lock().unwrap().push(request.uri().path().to_owned());
        async {
            tokio::time::sleep(ms(10)).await;
            Ok::<_, BoxError>(Response::new(Body::default()))
        }
    }));
    let begun = Instant::now();
    let calls = (0..20).map(|at| {
        let uri = format!("http://peer.test/{at}").parse().unwrap();
        tokio::spawn(whole(service.clone(), secret::request(&uri, Body::default())))
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let expected: Vec<_> = (0..20).map(|at| format!("/{at}")).collect();
    assert_eq!(*sent.lock().unwrap(), expected);
    assert_eq!(begun.elapsed(), ms(100), "two at a time");
    assert_eq!(slots(&recorder), (0, 2, 0));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn queue_phase_precedes_acquire_phase() {
    let script = Script::new().read_request().sleep(ms(300)).write(ANSWER).repeat();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = with(|builder| builder.max_in_flight(1));
    // The pool keeps no connection, so each request has a connect of its own.
    let client = outbound.attempt_layer().layer(
        Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(outbound.connector(peer.delay(ms(50)))),
    );
    let first = tokio::spawn(whole(client.clone(), get(&server, "a")));
    settle().await;
    assert_eq!((slots(&recorder), server.accepted()), ((1, 1, 0), 0));
    let second = client.oneshot(get(&server, "a")).await.unwrap();
    let timings = second.extensions().get::<Timings>().unwrap().clone();
    second.into_body().collect().await.unwrap();
    first.await.unwrap().unwrap();

    assert_eq!(timings.phase(Phase::Queue), Some(ms(350)));
    assert_eq!(timings.phase(Phase::Acquire), Some(ms(50)));
    let marks = timings.cumulative();
    assert_eq!((marks.queue, marks.acquire), (Some(ms(350)), Some(ms(400))));
    assert!(timings.to_string().starts_with("queue 350.0 acquire 50.0 send 0.0 wait 300.0 "), "{timings}");
    let queues: Vec<_> = recorder.phases().into_iter().filter(|(phase, _)| *phase == Phase::Queue).collect();
    assert_eq!(queues, [(Phase::Queue, "ok"); 2]);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn queue_phase_is_zero_with_free_permit() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1).max_queued(0));
    let response = slow(&outbound, ms(10)).oneshot(to("a")).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    assert_eq!(timings.phase(Phase::Queue), Some(Duration::ZERO));
    assert_eq!(recorder.count("SlotWaiting"), 0);
}

#[tokio::test(start_paused = true)]
async fn queue_phase_and_permit_events_absent_without_limits() {
    let (outbound, recorder) = with(|builder| builder.max_queued(0).acquire_timeout(ms(1)));
    let service = slow(&outbound, ms(10));
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(whole(service.clone(), to("a")))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(recorder.names().iter().all(|name| !name.starts_with("Slot")), "{:?}", recorder.names());
    assert!(recorder.timings().iter().all(|timings| timings.phase(Phase::Queue).is_none()));
    assert!(recorder.timings().iter().all(|timings| timings.cumulative().queue.is_none()));
}

#[tokio::test(start_paused = true)]
async fn queue_cancel_is_cancelled_in_queue() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight_per_origin(1));
    let service = slow(&outbound, SECOND);
    let first = tokio::spawn(whole(service.clone(), to("a")));
    settle().await;
    let second = tokio::time::timeout(ms(400), whole(service.clone(), to("a"))).await;
    assert!(second.is_err());
    assert_eq!(recorder.outcomes(), ["cancelled in queue"]);
    assert_eq!(slots(&recorder), (1, 1, 0));
    first.await.unwrap().unwrap();
    assert_eq!(recorder.outcomes(), ["cancelled in queue", "ok"]);
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn queue_attempt_timeout_is_not_sent() {
    let (outbound, recorder) =
        with(|builder| builder.max_in_flight_per_origin(1).timeouts(Timeouts::new().attempt(ms(300))));
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().hang());
    let client = stack(&outbound, outbound.connector(peer));
    let mut held = get(&server, "a");
    held.extensions_mut().insert(Timeouts::new().attempt(Duration::ZERO));
    let held = tokio::spawn(whole(client.clone(), held));
    settle().await;
    let error = whole(client, get(&server, "a")).await.unwrap_err();
    assert_eq!(recorder.outcomes(), ["response_timeout in queue"]);
    assert_eq!(error.failure().send_state(), Some(tower_outbound::SendState::NotSent));
    assert_eq!(slots(&recorder), (1, 1, 0));
    held.abort();
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn in_flight_limits_shared_in_stack_not_between_stacks() {
    let (outbound, recorder) = with(|builder| builder.max_in_flight(1));
    let (one, other) = (slow(&outbound, SECOND), slow(&outbound.clone(), SECOND));
    let begun = Instant::now();
    let (a, b) = tokio::join!(whole(one.clone(), to("a")), whole(other, to("b")));
    assert_eq!((a.is_ok(), b.is_ok(), begun.elapsed()), (true, true, 2 * SECOND));
    let (another, _) = with(|builder| builder.max_in_flight(1));
    let begun = Instant::now();
    let (a, b) = tokio::join!(whole(one, to("a")), whole(slow(&another, SECOND), to("a")));
    assert_eq!((a.is_ok(), b.is_ok(), begun.elapsed()), (true, true, SECOND));
    assert_eq!(recorder.slots().origins, 2);
    drop(outbound);
    assert_eq!(recorder.slots().origins, 0, "the limits are dropped with the stack");
}

/// Counts its clones that are ready and were not called.
struct Reserving {
    ready: bool,
    reserved: Arc<AtomicI64>,
    gate: Gate,
}

impl Clone for Reserving {
    fn clone(&self) -> Self {
        Self { ready: false, reserved: Arc::clone(&self.reserved), gate: self.gate.clone() }
    }
}

impl Drop for Reserving {
    fn drop(&mut self) {
        self.reserved.fetch_sub(i64::from(self.ready), Ordering::Relaxed);
    }
}

impl Service<Request<Body>> for Reserving {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !std::mem::replace(&mut self.ready, true) {
            self.reserved.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::replace(&mut self.ready, false), "called before it was ready");
        self.reserved.fetch_sub(1, Ordering::Relaxed);
        let gate = self.gate.clone();
        Box::pin(async move {
            gate.wait().await;
            Ok(Response::new(Body::default()))
        })
    }
}

#[tokio::test]
async fn queue_waiting_request_keeps_no_service_ready() {
    let (outbound, _recorder) = with(|builder| builder);
    let (reserved, gate) = (Arc::new(AtomicI64::new(0)), Gate::new());
    let layer = outbound.in_flight_limit_layer().max_in_flight_per_origin(1);
    let inner = Reserving { ready: false, reserved: Arc::clone(&reserved), gate: gate.clone() };
    let mut service = layer.layer(inner);
    let mut calls = Vec::new();
    for _ in 0..5 {
        let call = service.ready().await.unwrap().call(to("a"));
        calls.push(tokio::spawn(call));
        settle().await;
        assert_eq!(reserved.load(Ordering::Relaxed), 0);
    }
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(reserved.load(Ordering::Relaxed), 0);
}
