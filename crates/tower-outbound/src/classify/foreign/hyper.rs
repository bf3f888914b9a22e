//! hyper and hyper-util.

use std::error::Error as StdError;

use http::Uri;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower_service::Service;

use super::says;
use crate::classify::evidence::{Evidence, Level};
use crate::failure::{Kind, Phase};

/// Not exported, but it is the error type of the connector's `Service`.
type ConnectError = <HttpConnector as Service<Uri>>::Error;
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    if let Some(error) = error.downcast_ref() {
        message(error, evidence);
    } else if let Some(error) = error.downcast_ref() {
        client(error, evidence);
    } else if let Some(error) = error.downcast_ref() {
        connector(error, evidence);
    } else if let Some(error) = error.downcast_ref() {
        tunnel(error, evidence);
    } else {
        return false;
    }
    true
}

fn message(error: &hyper::Error, evidence: &mut Evidence) {
    if error.is_parse_too_large() {
        evidence.exact(Kind::LimitExceeded);
    } else if error.is_parse() {
        evidence.exact(Kind::InvalidResponse);
    } else if error.is_incomplete_message() {
        evidence.exact(Kind::ResponseEnded);
    } else if error.is_timeout() {
        evidence.timeout();
    } else if error.is_user() {
        user(error, evidence);
    } else if error.is_canceled() || error.is_closed() {
        // The connection closed before the request was written, or before the connection was asked to take it (a closed
        // channel: hyper's sender is not ready any more). The source may have the reason.
        evidence.unsent();
        evidence.likely(Kind::ResponseEnded);
    } else if error.source().is_none() {
        // The remaining error without a source: an unexpected message.
        evidence.exact(Kind::Protocol);
    } else if says(error, "error reading a body from connection") {
        evidence.reading_body = true;
        evidence.likely(Kind::ResponseEnded);
    } else {
        evidence.from_io = true;
    }
}

/// The caller's errors. Their sources may come from other connections and do not count.
fn user(error: &hyper::Error, evidence: &mut Evidence) {
    if error.source().is_none() {
        evidence.definite(Kind::InvalidRequest);
    } else if says(error, "dispatch task is gone") {
        // The runtime or a panic ended the connection's task.
        evidence.definite(Kind::ConnectionAborted);
    } else {
        evidence.definite(Kind::RequestBody);
    }
}

fn client(error: &legacy::Error, evidence: &mut Evidence) {
    let source = error.source();
    if error.is_connect() {
        evidence.connecting();
        // The pool's private errors, of requests that wait for the connect of another one.
        if source.is_some_and(|pool| says(pool, "request was canceled")) {
            evidence.exact(Kind::ConnectionAborted);
        } else if source.is_some_and(|pool| says(pool, "checked out connection was closed")) {
            evidence.exact(Kind::ResponseEnded);
        }
    } else if says(error, "client error (Canceled)") {
        evidence.unsent();
        evidence.likely(Kind::ConnectionAborted);
    } else if says(error, "client error (SendRequest)") && error.connect_info().is_none() {
        // The connection ended between its handshake and its first request: only then hyper-util names no connection.
        evidence.unsent();
        evidence.likely(Kind::ResponseEnded);
    } else if source.is_none() {
        // Errors of the network have a source: hyper-util refused the request itself.
        evidence.unsent();
        evidence.definite(Kind::InvalidRequest);
    }
}

fn connector(error: &ConnectError, evidence: &mut Evidence) {
    evidence.connecting();
    if error.source().is_none() {
        evidence.definite(Kind::InvalidRequest);
    } else if says(error, "dns error") {
        evidence.in_stage(Phase::Dns);
    }
}

fn tunnel(error: &TunnelError, evidence: &mut Evidence) {
    match error {
        TunnelError::ConnectFailed(_) => evidence.connecting(),
        TunnelError::MissingHost => evidence.definite(Kind::InvalidRequest),
        TunnelError::ProxyAuthRequired => {
            evidence.in_stage(Phase::Tunnel);
            evidence.exact(Kind::UserAuthentication);
        }
        _ => {
            evidence.in_stage(Phase::Tunnel);
            evidence.likely(Kind::ProxyTunnel);
        }
    }
}
