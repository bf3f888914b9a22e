//! A handle on the connections of hyper-util's pool.

use std::sync::Arc;

use http::{Extensions, Request};
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};

use crate::record::{Attempt, Connection, PoolHandle};

/// hyper-util fills this with the connection that it picks for a request. Other clients leave it empty.
#[derive(Debug)]
struct Capture(CaptureConnection);

/// Asks the client for a handle on the connection that it picks, if there may be a connection without one.
pub(crate) fn request_capture<B>(attempt: &Attempt, request: &mut Request<B>) {
    if !attempt.origin().should_capture() {
        return;
    }
    // A request holds one capture: keep the caller's own, if there is one.
    let others = std::mem::take(request.extensions_mut());
    let capture = capture_connection(request);
    request.extensions_mut().extend(others);
    attempt.response().set_pool_handle(Arc::new(Capture(capture)));
}

impl PoolHandle for Capture {
    fn connection(&self) -> Option<Connection> {
        let mut extras = Extensions::new();
        self.0.connection_metadata().as_ref()?.get_extras(&mut extras);
        extras.remove()
    }

    fn poison(&self) {
        if let Some(connected) = self.0.connection_metadata().as_ref() {
            connected.poison();
        }
    }
}
