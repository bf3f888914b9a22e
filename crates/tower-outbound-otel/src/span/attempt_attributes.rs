//! The attributes of an attempt's span.

use std::net::IpAddr;

use http::Uri;
use opentelemetry::{KeyValue, StringValue, Value};
use tower_outbound::connect::Use;
use tower_outbound::{Attempt, Connection, Failure, Outcome, Phase, SendState};

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

/// The attributes known at the end, sorted by key. No key is among the start's.
pub(super) fn end_attributes(
    ended: &Ended<'_>,
    setup: Option<&SetupState>,
) -> impl Iterator<Item = KeyValue> {
    let Ended { attempt, failure, .. } = *ended;
    let connection = attempt.connection();
    let peer = connection.as_ref().and_then(Connection::peer_addr);
    let usage = attempt.usage();
    let idle = usage.as_ref().and_then(Use::idle_time);
    let cancelled_in = match ended.outcome {
        Outcome::Cancelled { phase, .. } => Some(phase.as_str()),
        _ => None,
    };
    let version = attempt.version().and_then(protocol_version);
    let failed_in = failure.and_then(Failure::phase).map(Phase::as_str);
    let sent = failure.and_then(Failure::send_state).map(SendState::as_str);
    let text = |value: &'static str| Value::from(value);
    let int = |value: u64| Value::from(i64::try_from(value).unwrap_or(i64::MAX));
    [
        (a::ERROR_TYPE, ended.error_type().map(Value::from)),
        (a::HTTP_RESPONSE_STATUS_CODE, ended.status.map(|status| int(status.as_u16().into()))),
        (a::NETWORK_PEER_ADDRESS, peer.map(|peer| address(peer.ip(), setup).into())),
        (a::NETWORK_PEER_PORT, peer.map(|peer| int(peer.port().into()))),
        (a::NETWORK_PROTOCOL_VERSION, version.map(text)),
        (o::CANCELLED_IN, cancelled_in.map(text)),
        (o::CONNECTION_ID, connection.as_ref().map(|connection| int(connection.id()))),
        (o::CONNECTION_IDLE_TIME, idle.map(|idle| idle.as_secs_f64().into())),
        (o::CONNECTION_REUSE, Some(text(attempt.reuse().as_str()))),
        (o::CONNECTION_SETUP_PAID, connection.as_ref().map(|_| attempt.setup_paid().into())),
        (o::CONNECTION_USES, usage.as_ref().map(|usage| int(usage.number()))),
        (o::PHASE, failed_in.map(text)),
        (o::SEND_STATE, sent.map(text)),
        (a::RPC_RESPONSE_STATUS_CODE, ended.rpc.map(|rpc| text(rpc.code()))),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(KeyValue::new(key, value?)))
}

/// The peer's address, as text that is kept with the connection.
fn address(ip: IpAddr, setup: Option<&SetupState>) -> StringValue {
    setup.map_or_else(|| ip.to_string().into(), |setup| setup.address(ip))
}
