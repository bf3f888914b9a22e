//! The attributes of an attempt's span.

use std::net::IpAddr;

use http::Uri;
use opentelemetry::{KeyValue, StringValue, Value};
use tower_outbound::connect::Use;
use tower_outbound::{Attempt, Connection, Failure, Outcome};

use super::setup::SetupState;
use crate::ended::Ended;
use crate::labels::template;
use crate::methods::MethodId;
use crate::options::Options;
use crate::rpc::RpcMethod;
use crate::semconv::{GRPC, attribute as a, outbound as o, protocol_version};

/// The attributes known at the start, those of the options last, with room for those known at the end.
pub(super) fn start_attributes(
    attempt: &Attempt,
    uri: &Uri,
    method: MethodId,
    rpc: Option<&RpcMethod>,
    options: &Options,
    opt_in: Vec<KeyValue>,
) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(if rpc.is_some() { 18 } else { 14 });
    push_start_attributes(&mut attributes, attempt, uri, method, rpc, options);
    attributes.extend(opt_in);
    attributes
}

/// The attributes known at the start, without those of the options.
pub(super) fn push_start_attributes(
    attributes: &mut Vec<KeyValue>,
    attempt: &Attempt,
    uri: &Uri,
    method: MethodId,
    rpc: Option<&RpcMethod>,
    options: &Options,
) {
    let (origin, methods) = (attempt.origin(), &options.methods);
    attributes.push(KeyValue::new(a::HTTP_REQUEST_METHOD, methods.label(method)));
    if !methods.is_known(method) {
        let original = attempt.method().as_str().to_owned();
        attributes.push(KeyValue::new(a::HTTP_REQUEST_METHOD_ORIGINAL, original));
    }
    if attempt.ordinal() > 0 {
        attributes.push(KeyValue::new(a::HTTP_REQUEST_RESEND_COUNT, i64::from(attempt.ordinal())));
        if let Some((reason, backoff)) = attempt.call().retry_cause() {
            attributes.push(KeyValue::new(o::RETRY_BACKOFF, backoff.as_secs_f64()));
            attributes.push(KeyValue::new(o::RETRY_REASON, reason.as_str()));
        }
    }
    if let Some(rpc) = rpc {
        attributes.push(KeyValue::new(a::RPC_METHOD, rpc.label()));
        if !rpc.is_known() {
            let original = uri.path().trim_start_matches('/').to_owned();
            attributes.push(KeyValue::new(a::RPC_METHOD_ORIGINAL, original));
        }
        attributes.push(KeyValue::new(a::RPC_SYSTEM_NAME, GRPC));
    }
    attributes.push(KeyValue::new(a::SERVER_ADDRESS, origin.host_shared()));
    attributes.push(KeyValue::new(a::SERVER_PORT, i64::from(origin.port())));
    let url = options.redact.url_full(uri, origin, attempt.template());
    attributes.extend(url.map(|url| KeyValue::new(a::URL_FULL, url)));
    if let Some(url_template) = attempt.template() {
        attributes.push(KeyValue::new(a::URL_TEMPLATE, template(url_template)));
    }
}

/// Passes on the attributes known at the end, sorted by key. No key is among the start's.
pub(super) fn end_attributes(ended: &Ended<'_>, setup: Option<&SetupState>, mut put: impl FnMut(KeyValue)) {
    let Ended { attempt, failure, .. } = *ended;
    let connection = attempt.connection();
    let peer = connection.as_ref().and_then(Connection::peer_addr);
    let usage = attempt.usage();
    let mut put = |key: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            put(KeyValue::new(key, value));
        }
    };
    let text = |value: &'static str| Value::from(value);
    let int = |value: u64| Value::from(i64::try_from(value).unwrap_or(i64::MAX));
    put(a::ERROR_TYPE, ended.error_type().map(Value::from));
    put(a::HTTP_RESPONSE_STATUS_CODE, ended.status.map(|status| int(status.as_u16().into())));
    put(a::NETWORK_PEER_ADDRESS, peer.map(|peer| address(peer.ip(), setup).into()));
    put(a::NETWORK_PEER_PORT, peer.map(|peer| int(peer.port().into())));
    put(a::NETWORK_PROTOCOL_VERSION, attempt.version().and_then(protocol_version).map(text));
    if let Outcome::Cancelled { phase, .. } = ended.outcome {
        put(o::CANCELLED_IN, Some(text(phase.as_str())));
    }
    put(o::CONNECTION_ID, connection.as_ref().map(|connection| int(connection.id())));
    let idle = usage.as_ref().and_then(Use::idle_time);
    put(o::CONNECTION_IDLE_TIME, idle.map(|idle| idle.as_secs_f64().into()));
    put(o::CONNECTION_REUSE, Some(text(attempt.reuse().as_str())));
    put(o::CONNECTION_SETUP_PAID, connection.as_ref().map(|_| attempt.setup_paid().into()));
    put(o::CONNECTION_USES, usage.as_ref().map(|usage| int(usage.number())));
    put(o::PHASE, failure.and_then(Failure::phase).map(|phase| text(phase.as_str())));
    put(o::SEND_STATE, failure.and_then(Failure::send_state).map(|sent| text(sent.as_str())));
    put(a::RPC_RESPONSE_STATUS_CODE, ended.rpc.map(|rpc| text(rpc.code())));
}

/// The peer's address, as text that is kept with the connection.
fn address(ip: IpAddr, setup: Option<&SetupState>) -> StringValue {
    setup.map_or_else(|| ip.to_string().into(), |setup| setup.address(ip))
}
