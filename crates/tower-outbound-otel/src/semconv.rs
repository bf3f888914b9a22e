//! The names of attributes and metrics: those of OpenTelemetry's semantic conventions, and ours under `outbound.`.
//!
//! The conventions' names are copied: their crate renames experimental ones in minor releases. A test compares them.

use http::{StatusCode, Version};
use opentelemetry::InstrumentationScope;

/// The release of the conventions that `tests/conventions` copies. The conventions' crate is older: 1.42.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The instrumentation scope of the spans and metrics: name and version of this crate, and the conventions' schema.
#[must_use]
pub fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(SCHEMA_URL)
        .build()
}

/// Whether a status sets `error.type`: 4xx, 5xx and unregistered ones above.
pub(crate) fn is_error(status: StatusCode) -> bool {
    status.as_u16() >= 400
}

/// Whether IANA's registry has the status.
pub(crate) fn is_registered(status: StatusCode) -> bool {
    status.canonical_reason().is_some()
}

/// The value of `network.protocol.version`.
pub(crate) fn protocol_version(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}

macro_rules! names {
    ($($name:ident = $value:literal;)+) => { $(pub(crate) const $name: &str = $value;)+ };
}

/// Attributes of the conventions.
pub(crate) mod attribute {
    names! {
        DNS_ANSWERS = "dns.answers";
        DNS_QUESTION_NAME = "dns.question.name";
        ERROR_TYPE = "error.type";
        HTTP_CONNECTION_STATE = "http.connection.state";
        HTTP_REQUEST_BODY_SIZE = "http.request.body.size";
        HTTP_REQUEST_METHOD = "http.request.method";
        HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original";
        HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count";
        HTTP_RESPONSE_BODY_SIZE = "http.response.body.size";
        HTTP_RESPONSE_STATUS_CODE = "http.response.status_code";
        NETWORK_IO_DIRECTION = "network.io.direction";
        NETWORK_PEER_ADDRESS = "network.peer.address";
        NETWORK_PEER_PORT = "network.peer.port";
        NETWORK_PROTOCOL_VERSION = "network.protocol.version";
        NETWORK_TYPE = "network.type";
        RPC_METHOD = "rpc.method";
        RPC_METHOD_ORIGINAL = "rpc.method_original";
        RPC_RESPONSE_STATUS_CODE = "rpc.response.status_code";
        RPC_SYSTEM_NAME = "rpc.system.name";
        SERVER_ADDRESS = "server.address";
        SERVER_PORT = "server.port";
        TLS_CIPHER = "tls.cipher";
        TLS_NEXT_PROTOCOL = "tls.next_protocol";
        TLS_PROTOCOL_NAME = "tls.protocol.name";
        TLS_PROTOCOL_VERSION = "tls.protocol.version";
        TLS_RESUMED = "tls.resumed";
        URL_FULL = "url.full";
        URL_SCHEME = "url.scheme";
        URL_TEMPLATE = "url.template";
        USER_AGENT_ORIGINAL = "user_agent.original";
    }
}

/// Our attributes.
pub(crate) mod outbound {
    names! {
        CANCELLED_IN = "outbound.cancelled_in";
        CLOSE_REASON = "outbound.close_reason";
        CONNECTION_ID = "outbound.connection.id";
        CONNECTION_IDLE_TIME = "outbound.connection.idle_time";
        CONNECTION_REUSE = "outbound.connection.reuse";
        SERVER_DURATION = "outbound.server.duration";
        CONNECTION_SETUP_PAID = "outbound.connection.setup_paid";
        BOUND = "outbound.bound";
        CONNECTION_USES = "outbound.connection.uses";
        KEPT = "outbound.kept";
        OPERATION = "outbound.operation";
        OUTCOME = "outbound.outcome";
        PHASE = "outbound.phase";
        PHASE_DURATION = "outbound.phase.duration";
        RELEASE = "outbound.release";
        RETRY_BACKOFF = "outbound.retry.backoff";
        RETRY_LIMIT = "outbound.retry.limit";
        RETRY_REASON = "outbound.retry.reason";
        SEND_STATE = "outbound.send_state";
        STEP = "outbound.step";
        STEP_TARGET = "outbound.step.target";
        TLS_ALERT = "outbound.tls.alert";
    }
}

/// Metrics of the conventions.
pub(crate) mod metric {
    names! {
        ACTIVE_REQUESTS = "http.client.active_requests";
        CONNECTION_DURATION = "http.client.connection.duration";
        DNS_LOOKUP_DURATION = "dns.lookup.duration";
        OPEN_CONNECTIONS = "http.client.open_connections";
        REQUEST_BODY_SIZE = "http.client.request.body.size";
        REQUEST_DURATION = "http.client.request.duration";
        RESPONSE_BODY_SIZE = "http.client.response.body.size";
        RPC_CALL_DURATION = "rpc.client.call.duration";
    }
}

/// Replaces values outside of a bounded set.
pub(crate) const OTHER: &str = "_OTHER";
/// The value of `rpc.system.name`, and the span name of unknown methods.
pub(crate) const GRPC: &str = "grpc";

#[cfg(test)]
mod tests;
