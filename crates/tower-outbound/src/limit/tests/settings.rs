//! Limits that change while requests are in flight and wait.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::super::{InFlightLimitBody, InFlightLimitLayer};
use super::{CountingWaker, in_flight};
use crate::error::{BoxError, PoolTimeoutError, QueueFullError};
use crate::event::{Event, ObserversBuilder};
use crate::record::Registry;
use crate::settings::{InFlightSettings, StackSettings};

type Reply = Response<InFlightLimitBody<String>>;
type Call = Pin<Box<dyn Future<Output = Result<Reply, BoxError>> + Send>>;

/// A registry with a layer that follows the settings, and the sum of the reported limits.
struct Stack {
    registry: Registry,
    layer: InFlightLimitLayer,
    reported: Arc<Mutex<usize>>,
}

fn settings(in_flight: InFlightSettings) -> StackSettings {
    StackSettings { in_flight, ..StackSettings::default() }
}

impl Stack {
    fn new(in_flight: InFlightSettings) -> Self {
        let reported = Arc::new(Mutex::new(0));
        let sum = Arc::clone(&reported);
        let mut observers = ObserversBuilder::default();
        observers.push(move |event: &Event<'_>| match event {
            Event::SlotsOpened { limit, .. } => *sum.lock().unwrap() += limit,
            Event::SlotsClosed { limit, .. } => *sum.lock().unwrap() -= limit,
            _ => {}
        });
        let registry = Registry::new(observers.build(), settings(in_flight));
        Self { layer: InFlightLimitLayer::new(registry.clone()), registry, reported }
    }

    fn store(&self, in_flight: InFlightSettings) {
        self.registry.store_settings(settings(in_flight));
    }

    /// A request whose response has a body; the slot is held until the body is dropped.
    fn call(&self) -> Call {
        call(&self.layer)
    }

    fn reported(&self) -> usize {
        *self.reported.lock().unwrap()
    }
}

fn call(layer: &InFlightLimitLayer) -> Call {
    let mut service = layer.layer(tower::service_fn(|_: Request<String>| async {
        Ok::<_, Infallible>(Response::new("ok".to_owned()))
    }));
    Box::pin(service.call(Request::get("http://peer.test/").body(String::new()).unwrap()))
}

fn poll(call: &mut Call) -> Poll<Result<Reply, BoxError>> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn ready(call: &mut Call) -> Reply {
    match poll(call) {
        Poll::Ready(reply) => reply.unwrap(),
        Poll::Pending => panic!("the request waits for a slot"),
    }
}

/// A call that waits, and its waker.
fn waiting(stack: &Stack) -> (Call, Arc<CountingWaker>) {
    let (mut call, waker) = (stack.call(), Arc::new(CountingWaker::default()));
    assert!(call.as_mut().poll(&mut Context::from_waker(&Arc::clone(&waker).into())).is_pending());
    (call, waker)
}

#[test]
fn in_flight_raised_limit_grants_waiters_at_next_request() {
    let stack = Stack::new(in_flight(1, 0, 9));
    let _held = ready(&mut stack.call());
    let (mut second, second_waker) = waiting(&stack);
    let (mut third, third_waker) = waiting(&stack);
    let (_fourth, fourth_waker) = waiting(&stack);
    stack.store(in_flight(3, 0, 9));
    assert_eq!([second_waker.wakes(), third_waker.wakes()], [0, 0], "nobody has asked yet");

    assert!(poll(&mut stack.call()).is_pending(), "those who waited come first");
    assert_eq!([second_waker.wakes(), third_waker.wakes(), fourth_waker.wakes()], [1, 1, 0]);
    let _replies = [ready(&mut second), ready(&mut third)];
}

#[test]
fn in_flight_raised_limit_grants_waiter_that_is_polled() {
    let stack = Stack::new(in_flight(0, 1, 9));
    let _held = ready(&mut stack.call());
    let (mut second, _) = waiting(&stack);
    stack.store(in_flight(0, 2, 9));
    let _reply = ready(&mut second);
    assert!(poll(&mut stack.call()).is_pending());
}

#[test]
fn in_flight_lowered_limit_revokes_no_permit() {
    let stack = Stack::new(in_flight(3, 0, 9));
    let mut held: Vec<_> = (0..3).map(|_| ready(&mut stack.call())).collect();
    stack.store(in_flight(1, 0, 9));
    let (mut next, waker) = waiting(&stack);
    for returned in 0..3 {
        assert_eq!(waker.wakes(), 0, "after {returned} of 3");
        held.pop();
    }
    assert_eq!(waker.wakes(), 1);
    let _reply = ready(&mut next);
    assert!(poll(&mut stack.call()).is_pending());
}

#[test]
fn in_flight_limit_stored_later_holds_for_new_requests() {
    let stack = Stack::new(in_flight(0, 0, 0));
    let _uncounted = ready(&mut stack.call());
    stack.store(in_flight(1, 0, 0));
    let held = ready(&mut stack.call());
    let Poll::Ready(Err(error)) = poll(&mut stack.call()) else { panic!("the slot is taken") };
    let full = error.downcast_ref::<QueueFullError>().unwrap();
    assert_eq!((full.held(), full.limit(), full.key()), (1, 1, "max_in_flight_per_origin"));
    drop(held);
    let _reply = ready(&mut stack.call());
}

#[test]
fn in_flight_limit_removed_grants_waiters_at_next_request() {
    let stack = Stack::new(in_flight(1, 1, 9));
    let _held = ready(&mut stack.call());
    let (mut second, waker) = waiting(&stack);
    stack.store(in_flight(0, 0, 9));
    let _unlimited = ready(&mut stack.call());
    assert_eq!(waker.wakes(), 1);
    let _reply = ready(&mut second);
}

#[test]
fn in_flight_max_queued_stored_later_holds_for_new_requests() {
    let stack = Stack::new(in_flight(1, 0, 0));
    let _held = ready(&mut stack.call());
    assert!(matches!(poll(&mut stack.call()), Poll::Ready(Err(_))));
    stack.store(in_flight(1, 0, 1));
    let _second = waiting(&stack);
    assert!(matches!(poll(&mut stack.call()), Poll::Ready(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn acquire_timeout_stored_later_holds_for_new_requests() {
    let second = Duration::from_secs(1);
    let stack = Stack::new(in_flight(1, 0, 9));
    let _held = ready(&mut stack.call());
    let (mut without_timeout, _) = waiting(&stack);
    stack.store(InFlightSettings { acquire_timeout: second, ..in_flight(1, 0, 9) });
    let error = stack.call().await.unwrap_err();
    assert_eq!(error.downcast_ref::<PoolTimeoutError>().unwrap().waited(), second);
    assert!(poll(&mut without_timeout).is_pending());
}

#[test]
fn in_flight_reported_limit_follows_settings() {
    let stack = Stack::new(in_flight(2, 0, 9));
    let held = ready(&mut stack.call());
    for (limit, reported) in [(5, 5), (0, 0), (3, 3), (0, 0)] {
        stack.store(in_flight(limit, 0, 9));
        drop(ready(&mut stack.call()));
        assert_eq!(stack.reported(), reported);
    }
    stack.store(in_flight(0, 7, 9));
    drop((held, ready(&mut stack.call())));
    let Stack { registry, layer, reported } = stack;
    assert_eq!(*reported.lock().unwrap(), 7);
    drop((layer, registry));
    assert_eq!(*reported.lock().unwrap(), 0);
}

#[test]
fn in_flight_layer_with_own_limits_ignores_stored_settings() {
    let stack = Stack::new(in_flight(0, 0, 0));
    let own = stack.layer.clone().max_in_flight_per_origin(1);
    let _held = ready(&mut call(&own));
    stack.store(in_flight(9, 9, 9));
    assert!(matches!(poll(&mut call(&own)), Poll::Ready(Err(_))), "its own limit and queue length");
}

#[test]
fn in_flight_without_limits_takes_no_lock() {
    let stack = Stack::new(in_flight(0, 0, 9));
    let limiter = stack.layer.limiter();
    let (done, finished) = mpsc::channel();
    // With limits: the request would wait for this lock.
    let locked = limiter.lock();
    let layer = stack.layer.clone();
    std::thread::spawn(move || {
        drop(ready(&mut call(&layer)));
        done.send(()).unwrap();
    });
    finished.recv_timeout(Duration::from_secs(30)).expect("the request takes no lock");
    drop(locked);
}
