//! A service that is not `Clone`, and that its clones share.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use http::Request;
use tower::Service;
use tower_layer::Layer as _;
use tower_outbound::fixed_body::{FixedBodyLayer, MapBody, Shared};

/// Ready once for each permit, for the task that polled last. Panics if it is called unready.
#[derive(Default)]
struct Gate {
    permits: usize,
    waker: Option<Waker>,
}

struct Gated {
    gate: Arc<Mutex<Gate>>,
    is_ready: bool,
}

impl Service<Request<u8>> for Gated {
    type Response = u8;
    type Error = Infallible;
    type Future = Ready<Result<u8, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut gate = self.gate.lock().unwrap();
        if !self.is_ready && gate.permits == 0 {
            gate.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !self.is_ready {
            gate.permits -= 1;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<u8>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called unready");
        ready(Ok(request.into_body()))
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A future in a task of its own: polled when it was woken.
struct Task<F> {
    future: std::pin::Pin<Box<F>>,
    woken: Arc<Flag>,
}

impl<F: Future> Task<F> {
    fn new(future: F) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Flag(true.into())) }
    }

    fn run(&mut self) -> Poll<F::Output> {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.woken))))
    }
}

fn shared(gate: &Arc<Mutex<Gate>>) -> MapBody<Shared<Gated>, fn(u8) -> u8> {
    let service = Gated { gate: Arc::clone(gate), is_ready: false };
    FixedBodyLayer::new((|body| body) as fn(u8) -> u8).layer(service)
}

fn open(gate: &Mutex<Gate>) {
    let mut gate = gate.lock().unwrap();
    gate.permits += 1;
    gate.waker.take().into_iter().for_each(Waker::wake);
}

#[test]
fn shared_service_called_in_order_and_only_ready() {
    let gate = Arc::new(Mutex::new(Gate::default()));
    let service = shared(&gate);
    let mut tasks: Vec<_> =
        (0..3).map(|request| Task::new(service.clone().call(Request::new(request)))).collect();
    assert!(tasks.iter_mut().all(|task| task.run().is_pending()));
    for turn in 0..3 {
        open(&gate);
        let done: Vec<_> = tasks.iter_mut().map(|task| task.run().is_ready()).collect();
        assert_eq!(done.iter().position(|done| *done), Some(turn), "{done:?}");
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "one permit");
    }
}

#[test]
fn shared_service_dropped_waiter_passes_turn_on() {
    let gate = Arc::new(Mutex::new(Gate::default()));
    let service = shared(&gate);
    let mut first = Task::new(service.clone().call(Request::new(1)));
    let mut second = Task::new(service.clone().call(Request::new(2)));
    let mut third = Task::new(service.clone().call(Request::new(3)));
    assert!(first.run().is_pending() && second.run().is_pending() && third.run().is_pending());
    // One polls the service, one waits for its turn.
    drop(first);
    drop(second);
    assert!(third.run().is_pending());
    open(&gate);
    assert_eq!(third.run(), Poll::Ready(Ok(3)));
}
