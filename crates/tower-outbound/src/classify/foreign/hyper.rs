//! hyper and hyper-util.

use std::error::Error as StdError;

use http::{Extensions, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower_service::Service;

use super::says;
use crate::classify::chain::{Found, Level, levels};
use crate::failure::{Kind, Phase};

/// Not exported, but it is what the connector's `Service` says it returns.
type ConnectError = <HttpConnector as Service<Uri>>::Error;
type TunnelError = <Tunnel<HttpConnector> as Service<Uri>>::Error;

/// What hyper-util knows of the connection that an error came from.
pub(crate) fn connect_extras(error: &(dyn StdError + 'static), extensions: &mut Extensions) {
    let named = levels(error).find_map(|level| level.downcast_ref::<legacy::Error>()?.connect_info());
    if let Some(connected) = named {
        connected.get_extras(extensions);
    }
}

pub(super) fn look_at(error: Level<'_>, found: &mut Found) -> bool {
    if let Some(error) = error.downcast_ref() {
        message(error, found);
    } else if let Some(error) = error.downcast_ref() {
        client(error, found);
    } else if let Some(error) = error.downcast_ref() {
        connector(error, found);
    } else if let Some(error) = error.downcast_ref() {
        tunnel(error, found);
    } else {
        return false;
    }
    true
}

fn message(error: &hyper::Error, found: &mut Found) {
    if error.is_parse_too_large() {
        found.say(Kind::LimitExceeded);
    } else if error.is_parse() {
        found.say(Kind::InvalidResponse);
    } else if error.is_incomplete_message() {
        found.say(Kind::ResponseEnded);
    } else if error.is_timeout() {
        found.timeout();
    } else if error.is_user() {
        user(error, found);
    } else if error.is_canceled() || error.is_closed() {
        // The connection was gone before the request was written; the source may say why.
        if error.is_canceled() {
            found.unsent();
        }
        found.perhaps(Kind::ResponseEnded);
    } else if error.source().is_none() {
        // What is left without a source: a message that nobody has asked for.
        found.say(Kind::Protocol);
    } else if says(error, "error reading a body from connection") {
        found.reading_body = true;
        found.perhaps(Kind::ResponseEnded);
    } else {
        found.from_io = true;
    }
}

/// The caller's errors, which may have sources from other connections: those do not matter here.
fn user(error: &hyper::Error, found: &mut Found) {
    if error.source().is_none() {
        found.settle(Kind::InvalidRequest);
    } else if says(error, "dispatch task is gone") {
        // The runtime, or a panic, has ended the connection's task.
        found.settle(Kind::ConnectionAborted);
    } else {
        found.settle(Kind::RequestBody);
    }
}

fn client(error: &legacy::Error, found: &mut Found) {
    let source = error.source();
    if error.is_connect() {
        found.connecting();
        // The pool's own errors, which are private: of those who wait for someone else's connect.
        if source.is_some_and(|pool| says(pool, "request was canceled")) {
            found.say(Kind::ConnectionAborted);
        } else if source.is_some_and(|pool| says(pool, "checked out connection was closed")) {
            found.say(Kind::ResponseEnded);
        }
    } else if says(error, "client error (Canceled)") {
        found.unsent();
        found.perhaps(Kind::ConnectionAborted);
    } else if source.is_none() {
        // Its errors about the network have a source: it has refused the request itself.
        found.unsent();
        found.settle(Kind::InvalidRequest);
    }
}

fn connector(error: &ConnectError, found: &mut Found) {
    found.connecting();
    if error.source().is_none() {
        found.settle(Kind::InvalidRequest);
    } else if says(error, "dns error") {
        found.in_stage(Phase::Dns);
    }
}

fn tunnel(error: &TunnelError, found: &mut Found) {
    match error {
        TunnelError::ConnectFailed(_) => found.connecting(),
        TunnelError::MissingHost => found.settle(Kind::InvalidRequest),
        TunnelError::ProxyAuthRequired => {
            found.in_stage(Phase::Tunnel);
            found.say(Kind::UserAuthentication);
        }
        _ => {
            found.in_stage(Phase::Tunnel);
            found.perhaps(Kind::ProxyTunnel);
        }
    }
}
