//! The phases of a connect, as child spans or events.

use std::net::SocketAddr;

use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use tokio::time::Instant;
use tower_outbound::connect::{AddressAttempt, Setup, SetupPhase};
use tower_outbound::{Failure, Phase};

use super::setup::SetupState;
use crate::semconv::{attribute as a, outbound as o};

pub(super) fn phase_spans(
    tracer: &BoxedTracer,
    state: &SetupState,
    setup: &Setup,
    parent: &BoxedSpan,
    context: &Context,
) {
    let context = context.with_remote_span_context(parent.span_context().clone());
    let clock = state.clock();
    for step in steps(state, setup) {
        let (start, end) = clock.of(step.start, step.end);
        let builder = tracer
            .span_builder(step.name)
            .with_kind(SpanKind::Internal)
            .with_start_time(start)
            .with_attributes(step.attributes);
        let mut span = tracer.build_with_context(builder, &context);
        if let Some(failure) = step.failure {
            span.set_status(Status::error(failure.to_string()));
        }
        span.end_with_timestamp(end);
    }
}

pub(super) fn phase_events(parent: &mut BoxedSpan, state: &SetupState, setup: &Setup) {
    let clock = state.clock();
    for step in steps(state, setup) {
        let seconds = step.end.saturating_duration_since(step.start).as_secs_f64();
        let attributes = vec![KeyValue::new(o::PHASE_DURATION, seconds)];
        parent.add_event_with_timestamp(step.name, clock.at(step.end), attributes);
    }
}

/// A child span of a connect's span.
struct Step {
    name: String,
    start: Instant,
    end: Instant,
    attributes: Vec<KeyValue>,
    failure: Option<Failure>,
}

/// The phases. The attempts to connect to single addresses, where known, replace the phase `tcp`.
fn steps(state: &SetupState, setup: &Setup) -> Vec<Step> {
    let attempts = setup.address_attempts();
    let phases = setup.phases().into_iter().filter(|ended| ended.phase != Phase::Tcp || attempts.is_empty());
    let phases = phases.map(|ended| Step {
        name: phase_name(setup, &ended),
        start: ended.start,
        end: ended.end,
        attributes: phase_attributes(state, setup, &ended),
        failure: ended.failure,
    });
    phases.chain(attempts.iter().map(|attempt| address_step(state, attempt))).collect()
}

fn address_step(state: &SetupState, attempt: &AddressAttempt) -> Step {
    Step {
        name: format!("socket connect {}", attempt.address),
        start: attempt.start,
        end: attempt.end,
        attributes: socket_attributes(state, Some(attempt.address), attempt.failure()),
        failure: attempt.failure().cloned(),
    }
}

/// The attributes that have a value.
pub(super) fn present(
    pairs: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> impl Iterator<Item = KeyValue> {
    pairs.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)))
}

fn phase_name(setup: &Setup, ended: &SetupPhase) -> String {
    let origin = setup.origin();
    match ended.phase {
        Phase::Dns => format!("DNS lookup {}", origin.host()),
        Phase::Tcp => match setup.peer_addr() {
            Some(peer) => format!("socket connect {peer}"),
            None => format!("socket connect {}", origin.authority()),
        },
        Phase::Tunnel => format!("proxy tunnel {}", origin.authority()),
        Phase::Tls => format!("TLS client handshake {}", origin.host()),
        phase => format!("outbound.{phase}"),
    }
}

fn phase_attributes(state: &SetupState, setup: &Setup, ended: &SetupPhase) -> Vec<KeyValue> {
    let error = ended.failure.as_ref().map(|failure| failure.kind().as_str().into());
    let host = || Some(setup.origin().host_shared().into());
    match ended.phase {
        Phase::Dns => {
            let answers = setup.dns_answers().map(|answers| {
                let answers = answers.iter().map(|ip| StringValue::from(ip.to_string()));
                Value::Array(Array::String(answers.collect()))
            });
            present([(a::DNS_ANSWERS, answers), (a::DNS_QUESTION_NAME, host()), (a::ERROR_TYPE, error)])
                .collect()
        }
        Phase::Tcp => socket_attributes(state, setup.peer_addr(), ended.failure.as_ref()),
        Phase::Tls => {
            let tls = setup.tls();
            let alert = ended.failure.as_ref().and_then(Failure::tls_alert);
            present([
                (a::ERROR_TYPE, error),
                (o::TLS_ALERT, alert.map(|alert| alert.as_str().into())),
                (a::SERVER_ADDRESS, host()),
                (a::TLS_CIPHER, tls.and_then(|tls| tls.cipher.clone()).map(Into::into)),
                (a::TLS_NEXT_PROTOCOL, tls.and_then(|tls| tls.alpn.clone()).map(Into::into)),
                (a::TLS_PROTOCOL_NAME, Some("tls".into())),
                (a::TLS_PROTOCOL_VERSION, tls.and_then(|tls| tls.version).map(Into::into)),
                (a::TLS_RESUMED, tls.and_then(|tls| tls.resumed).map(Into::into)),
            ])
            .collect()
        }
        _ => present([(a::ERROR_TYPE, error)]).collect(),
    }
}

fn socket_attributes(
    state: &SetupState,
    peer: Option<SocketAddr>,
    failure: Option<&Failure>,
) -> Vec<KeyValue> {
    let family = peer.map(|peer| if peer.is_ipv4() { "ipv4" } else { "ipv6" });
    present([
        (a::ERROR_TYPE, failure.map(|failure| failure.kind().as_str().into())),
        (a::NETWORK_PEER_ADDRESS, peer.map(|peer| state.address(peer.ip()).into())),
        (a::NETWORK_PEER_PORT, peer.map(|peer| i64::from(peer.port()).into())),
        (a::NETWORK_TYPE, family.map(Into::into)),
    ])
    .collect()
}
