//! Layers above a service that is not ready, or whose `poll_ready` fails.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use tower::Service;
use tower_layer::Layer as _;
use tower_outbound::connect::PhaseLayer;
use tower_outbound::{Failure, Kind, Outbound, Phase};

use super::context;
use super::io::MockIo;
use crate::support::Body;

/// A service that is ready at the second `poll_ready`, or fails.
#[derive(Clone)]
struct Slow {
    polls: usize,
    fails: bool,
}

impl Slow {
    fn ask(&mut self) -> Poll<io::Result<()>> {
        self.polls += 1;
        match (self.polls, self.fails) {
            (1, _) => Poll::Pending,
            (_, true) => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
            (_, false) => Poll::Ready(Ok(())),
        }
    }
}

macro_rules! service {
    ($request:ty => $response:ty) => {
        impl Service<$request> for Slow {
            type Response = $response;
            type Error = io::Error;
            type Future = Ready<io::Result<$response>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.ask()
            }

            fn call(&mut self, _: $request) -> Self::Future {
                ready(Err(io::Error::other("only asked whether it is ready")))
            }
        }
    };
}

service!(Request<tower_outbound::observe::ObserveRequestBody<Body>> => Response<Body>);
service!(Request<Body> => Response<Body>);
service!(Uri => MockIo);
service!(String => ());

/// Polls until ready, and returns the error if `fails`.
fn poll_until_ready<S: Service<R>, R>(mut service: S, fails: bool) -> Option<S::Error> {
    assert!(service.poll_ready(&mut context()).is_pending());
    match service.poll_ready(&mut context()) {
        Poll::Pending => panic!("not forwarded"),
        Poll::Ready(ready) => {
            assert_eq!(ready.is_err(), fails);
            ready.err()
        }
    }
}

#[test]
fn readiness_and_its_failure_are_forwarded_by_layers() {
    let outbound = Outbound::new();
    for fails in [false, true] {
        let slow = || Slow { polls: 0, fails };
        let observe = poll_until_ready::<_, Request<Body>>(outbound.attempt_layer().layer(slow()), fails);
        let limit = outbound.in_flight_limit_layer().max_in_flight(1).layer(slow());
        let limit = poll_until_ready::<_, Request<Body>>(limit, fails);
        let track = poll_until_ready::<_, Uri>(outbound.track_layer().layer(slow()), fails);
        let connect = poll_until_ready::<_, Uri>(outbound.connect_phase_layer().layer(slow()), fails);
        let dns = poll_until_ready::<_, String>(PhaseLayer::dns().layer(slow()), fails);
        if !fails {
            continue;
        }
        assert_eq!(observe.unwrap().failure().kind(), Kind::ConnectionRefused);
        for (error, phase) in [(limit, None), (track, None), (connect, None), (dns, Some(Phase::Dns))] {
            let failure = Failure::of(&*error.unwrap());
            assert_eq!((failure.kind(), failure.phase()), (Kind::ConnectionRefused, phase));
        }
    }
}
