//! The span of an attempt.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use tokio::time::Instant;
use tower_outbound::event::{RequestHead, ResponseHead};
use tower_outbound::{Attempt, Failure, Kind, Outcome, Phase, SendState};

use crate::clock::Clock;
use crate::keep::MayBeKept;
use crate::methods::MethodId;
use crate::names::{attribute as a, outbound as o};
use crate::options::{Options, Phases};
use crate::phases::{self, Took};
use crate::redact::url_full;
use crate::rpc::{RpcEnd, RpcMethod, SYSTEM};

/// What usually takes no time is a span only above this: `outbound.head`, since the head comes with its first
/// byte, and the wait for a connection that is not tracked, since it may well have been at hand.
const SHOWN: Duration = Duration::from_millis(1);

/// What the observer keeps in an attempt; an attempt without it is suppressed.
#[derive(Debug)]
pub(crate) struct AttemptState {
    pub(crate) clock: Clock,
    pub(crate) method: MethodId,
    /// Of gRPC's only.
    pub(crate) rpc: Option<RpcMethod>,
    pub(crate) propagates: bool,
    /// Taken by the end, so that timings which are kept do not keep the caller's context.
    live: Mutex<Option<Live>>,
    span_context: SpanContext,
}

#[derive(Debug)]
struct Live {
    span: BoxedSpan,
    context: Context,
}

impl AttemptState {
    /// Starts the span as a child of `parent`, with what a sampler may want to see.
    pub(crate) fn start(
        tracer: &BoxedTracer,
        parent: &Context,
        attempt: &Attempt,
        request: &RequestHead<'_>,
        options: &Options,
        propagates: bool,
    ) -> Self {
        let clock = Clock::new(attempt.start_time());
        let methods = &options.methods;
        let method = methods.id(attempt.method());
        let rpc = attempt.is_grpc().then(|| options.rpc_methods.of(request.uri.path()));
        let name = match (&rpc, attempt.template()) {
            (Some(rpc), _) => rpc.span_name(),
            (None, Some(template)) => Cow::Owned(format!("{} {}", methods.span_name(method), template)),
            (None, None) => methods.span_name(method),
        };
        let attributes = || start_attributes(attempt, request, method, rpc.as_ref(), options);
        let mut builder = tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_start_time(clock.at(attempt.start_time()));
        // The child of a span that is not sampled hardly ever is: then nothing is built for the sampler.
        let above = parent.span().span_context().clone();
        let early = !above.is_valid() || above.is_sampled();
        if early {
            builder = builder.with_attributes(attributes());
        }
        let mut span = match options.keep {
            Some(_) => tracer.build_with_context(builder, &parent.with_value(MayBeKept)),
            None => tracer.build_with_context(builder, parent),
        };
        if !early && span.is_recording() {
            span.set_attributes(attributes());
        }
        let span_context = span.span_context().clone();
        // Only the span's identity is in the context: the span itself has one owner and no lock of its own.
        let context = parent.with_remote_span_context(span_context.clone());
        let live = Mutex::new(Some(Live { span, context }));
        Self { clock, method, rpc, propagates, live, span_context }
    }

    pub(crate) fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    /// The context that the span is current in; `None` when it has ended.
    pub(crate) fn context(&self) -> Option<Context> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| live.context.clone())
    }

    /// Takes what the response's head tells.
    pub(crate) fn head(&self, response: &ResponseHead<'_>, options: &Options) {
        if !options.opt_in.wants_head() {
            return;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.as_mut().filter(|live| live.span.is_recording()) {
            live.span.set_attributes(options.opt_in.at_head(response.headers));
        }
    }

    /// Ends the span; says whether it had not ended before.
    pub(crate) fn end(
        &self,
        tracer: &BoxedTracer,
        attempt: &Attempt,
        outcome: &Outcome,
        end: Instant,
        setup: Option<SpanContext>,
        options: &Options,
    ) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Live { mut span, mut context }) = live else { return false };
        if !span.is_recording() {
            return true;
        }
        let mut kept = None;
        if let (Some(keep), false) = (&options.keep, self.span_context.is_sampled()) {
            let Some(reason) = keep.reason(attempt, outcome) else { return true };
            span.set_attribute(KeyValue::new(o::KEPT, reason));
            context = context.with_value(MayBeKept);
            kept = Some(reason);
        }
        if let Some(setup) = setup {
            span.add_link(setup, Vec::new());
        }
        span.set_attributes(attributes(attempt, outcome));
        span.set_attributes(options.opt_in.at_end(attempt));
        if error_type(attempt, outcome).is_some() {
            span.set_status(Status::error(""));
        }
        match options.phases {
            Phases::Spans => self.phase_spans(tracer, &context, attempt, outcome, end, kept),
            Phases::Events => self.phase_events(&mut span, attempt, outcome, end),
            Phases::Off => {}
        }
        span.end_with_timestamp(self.clock.at(end));
        true
    }

    fn phase_spans(
        &self,
        tracer: &BoxedTracer,
        parent: &Context,
        attempt: &Attempt,
        outcome: &Outcome,
        end: Instant,
        kept: Option<&'static str>,
    ) {
        for took in phases::of(attempt, outcome, end) {
            let Some(name) = phase_name(attempt, outcome, took) else { continue };
            let failure = failure(outcome).filter(|_| took.cut);
            let error = failure.map(|failure| KeyValue::new(a::ERROR_TYPE, failure.kind().as_str()));
            let kept = kept.map(|reason| KeyValue::new(o::KEPT, reason));
            let mut builder = tracer
                .span_builder(name)
                .with_kind(SpanKind::Internal)
                .with_start_time(self.clock.at(took.start));
            if error.is_some() || kept.is_some() {
                builder = builder.with_attributes(error.into_iter().chain(kept));
            }
            let mut span = tracer.build_with_context(builder, parent);
            if failure.is_some() {
                span.set_status(Status::error(""));
            }
            span.end_with_timestamp(self.clock.at(took.end));
        }
    }

    fn phase_events(&self, span: &mut BoxedSpan, attempt: &Attempt, outcome: &Outcome, end: Instant) {
        for took in phases::of(attempt, outcome, end) {
            let Some(name) = phase_name(attempt, outcome, took) else { continue };
            let seconds = took.end.saturating_duration_since(took.start).as_secs_f64();
            let attributes = vec![KeyValue::new(o::PHASE_DURATION, seconds)];
            span.add_event_with_timestamp(name, self.clock.at(took.end), attributes);
        }
    }
}

/// What is known at the start.
fn start_attributes(
    attempt: &Attempt,
    request: &RequestHead<'_>,
    method: MethodId,
    rpc: Option<&RpcMethod>,
    options: &Options,
) -> Vec<KeyValue> {
    let (origin, methods) = (attempt.origin(), &options.methods);
    let mut attributes = Vec::with_capacity(if rpc.is_some() { 10 } else { 7 });
    attributes.push(KeyValue::new(a::HTTP_REQUEST_METHOD, methods.label(method)));
    if !methods.is_known(method) {
        let original = attempt.method().as_str().to_owned();
        attributes.push(KeyValue::new(a::HTTP_REQUEST_METHOD_ORIGINAL, original));
    }
    if attempt.ordinal() > 0 {
        attributes.push(KeyValue::new(a::HTTP_REQUEST_RESEND_COUNT, i64::from(attempt.ordinal())));
        if let Some((reason, backoff)) = attempt.call().retry() {
            attributes.push(KeyValue::new(o::RETRY_BACKOFF, backoff.as_secs_f64()));
            attributes.push(KeyValue::new(o::RETRY_REASON, reason.as_str()));
        }
    }
    if let Some(rpc) = rpc {
        attributes.push(KeyValue::new(a::RPC_METHOD, rpc.label()));
        if !rpc.is_known() {
            let original = request.uri.path().trim_start_matches('/').to_owned();
            attributes.push(KeyValue::new(a::RPC_METHOD_ORIGINAL, original));
        }
        attributes.push(KeyValue::new(a::RPC_SYSTEM_NAME, SYSTEM));
    }
    attributes.push(KeyValue::new(a::SERVER_ADDRESS, origin.host_shared()));
    attributes.push(KeyValue::new(a::SERVER_PORT, i64::from(origin.port())));
    attributes.push(KeyValue::new(a::URL_FULL, url_full(request.uri, origin, &options.redact)));
    if let Some(template) = attempt.template() {
        attributes.push(KeyValue::new(a::URL_TEMPLATE, crate::labels::template(template)));
    }
    attributes.extend(options.opt_in.at_start(attempt, request));
    attributes
}

/// The value of `error.type`, the same on the span and on the metrics; HTTP's do not know what gRPC has answered.
pub(crate) fn error_type(attempt: &Attempt, outcome: &Outcome) -> Option<Cow<'static, str>> {
    if let Some(end) = RpcEnd::of(attempt, outcome) {
        return end.error_type();
    }
    if let Outcome::Failed(failure) = outcome {
        return Some(failure.kind().as_str().into());
    }
    // A cancellation is no error, but an error status that came before it is: few read such a body.
    let status = attempt.status().filter(|status| is_error(*status))?;
    Some(status.as_str().to_owned().into())
}

/// 4xx, 5xx, and what is not in the list of status codes.
pub(crate) fn is_error(status: StatusCode) -> bool {
    status.as_u16() >= 400
}

pub(crate) fn failure(outcome: &Outcome) -> Option<&Failure> {
    match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    }
}

/// The response's version, as the convention writes it.
pub(crate) fn version(version: http::Version) -> Option<&'static str> {
    Some(match version {
        http::Version::HTTP_10 => "1.0",
        http::Version::HTTP_11 => "1.1",
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_3 => "3",
        _ => return None,
    })
}

/// What is known at the end, sorted by key; none of it was given at the start.
fn attributes(attempt: &Attempt, outcome: &Outcome) -> impl Iterator<Item = KeyValue> {
    let connection = attempt.connection();
    let peer = connection.as_ref().and_then(tower_outbound::Connection::peer_addr);
    let usage = attempt.usage();
    let idle = usage.as_ref().and_then(tower_outbound::connect::Use::idle_time);
    let cancelled_in = match outcome {
        Outcome::Cancelled { phase, .. } => Some(phase.as_str()),
        _ => None,
    };
    let version = attempt.version().and_then(version);
    let failed_in = failure(outcome).and_then(Failure::phase).map(Phase::as_str);
    let sent = failure(outcome).and_then(Failure::send_state).map(SendState::as_str);
    let text = |value: &'static str| Value::from(value);
    let int = |value: u64| Value::from(i64::try_from(value).unwrap_or(i64::MAX));
    [
        (a::ERROR_TYPE, error_type(attempt, outcome).map(Value::from)),
        (a::HTTP_RESPONSE_STATUS_CODE, attempt.status().map(|status| int(status.as_u16().into()))),
        (a::NETWORK_PEER_ADDRESS, peer.map(|peer| peer.ip().to_string().into())),
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
        (a::RPC_RESPONSE_STATUS_CODE, RpcEnd::of(attempt, outcome).map(|end| text(end.code()))),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(KeyValue::new(key, value?)))
}

/// `None` for what is not worth a span.
fn phase_name(attempt: &Attempt, outcome: &Outcome, took: Took) -> Option<Cow<'static, str>> {
    let short = took.end.saturating_duration_since(took.start) <= SHOWN;
    Some(match took.phase {
        Phase::Queue => {
            let refused = failure(outcome).is_some_and(|failure| failure.kind() == Kind::QueueFull);
            // Nobody waits where a slot is free, nor where the queue is full.
            if took.start == took.end || refused {
                return None;
            }
            "outbound.queue".into()
        }
        Phase::Acquire => {
            let waited = match attempt.usage() {
                Some(usage) => usage.ready_at() > took.start,
                None => took.cut || !short,
            };
            if !waited {
                return None;
            }
            format!("HTTP wait_for_connection {}", attempt.origin().authority()).into()
        }
        Phase::Send => "outbound.send".into(),
        Phase::Wait => "outbound.wait".into(),
        Phase::Head if short => return None,
        Phase::Head => "outbound.head".into(),
        Phase::Body => "outbound.body".into(),
        _ => return None,
    })
}
