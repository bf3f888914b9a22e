//! A failure's send state agrees with the bytes that the server has read.

mod cuts;
mod http1;
mod http2;
mod pool;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Full};
use outbound_tests::server::ScriptedServer;
use tower_outbound::{Attempt, Connection, Event, Failure, Outbound, Outcome, SendState};

use crate::stack::Body;

pub(crate) const ANSWER: &str = "HTTP/1.1 204 No Content\r\n\r\n";

/// An upload with a body of `bytes` bytes.
pub(crate) fn post(uri: &Uri, bytes: usize) -> http::Request<Body> {
    let body = Full::new(Bytes::from(vec![b'x'; bytes])).map_err(|never| match never {}).boxed_unsync();
    http::Request::post(uri).body(body).unwrap()
}

/// A URI for peers without sockets.
pub(crate) fn nowhere() -> Uri {
    "http://example.test/".parse().unwrap()
}

/// The number of bytes that the server has read on its last connection.
pub(crate) fn read_by(server: &ScriptedServer) -> u64 {
    server.log().last().map_or(0, |connection| connection.raw.len() as u64)
}

/// Panics if the state contradicts the number of bytes that the server has read of a request of `length` bytes.
#[track_caller]
pub(crate) fn assert_consistent(state: SendState, read: u64, length: u64) {
    match state {
        SendState::NotSent => assert_eq!(read, 0, "bytes of an unsent request"),
        SendState::Partial(written) => assert!(read <= written && written <= length, "{read} {written}"),
        SendState::Sent => assert!(read <= length),
        state => panic!("{state} on HTTP/1"),
    }
    if read == length && length > 0 {
        assert_eq!(state, SendState::Sent, "the server has read the whole request");
    }
}

/// Records failed attempts, also those whose future was dropped.
#[derive(Clone, Default)]
pub(crate) struct Failures(Arc<Mutex<Vec<(Attempt, Failure)>>>);

impl Failures {
    pub(crate) fn outbound(&self) -> Outbound {
        let failures = self.clone();
        let observer = move |event: &Event<'_>| {
            if let Event::AttemptEnded { attempt, outcome: Outcome::Failed(failure), .. } = event {
                failures.0.lock().unwrap().push((Attempt::clone(attempt), failure.clone()));
            }
        };
        Outbound::builder().observer(observer).build()
    }

    /// The only failure.
    #[track_caller]
    pub(crate) fn only(&self) -> Failure {
        let failures = self.0.lock().unwrap();
        assert_eq!(failures.len(), 1, "{failures:?}");
        failures[0].1.clone()
    }

    /// The connection of the only failed attempt.
    pub(crate) fn connection(&self) -> Option<Connection> {
        self.0.lock().unwrap()[0].0.connection()
    }

    /// Drops the attempt and returns its failure.
    #[track_caller]
    pub(crate) fn take(&self) -> Failure {
        let failure = self.only();
        self.0.lock().unwrap().clear();
        failure
    }
}
