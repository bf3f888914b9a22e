//! The span of an attempt.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanContext, SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use tower_outbound::Attempt;
use tower_outbound::attempt::NoPropagation;
use tower_outbound::event::{RequestHead, ResponseHead};

use super::attempt_attributes::{end_attributes, start_attributes};
use super::attempt_phases::{phase_events, phase_spans};
use super::clock::Clock;
use super::setup::SetupState;
use super::tracer::SpanTracer;
use crate::ended::Ended;
use crate::keep::MayBeKept;
use crate::methods::MethodId;
use crate::options::Phases;
use crate::rpc::RpcMethod;
use crate::semconv::outbound as o;

/// The observer's state in an attempt. A suppressed attempt has none.
#[derive(Debug)]
pub(crate) struct AttemptState {
    pub(crate) clock: Clock,
    pub(crate) method: MethodId,
    /// `None` if the attempt is not gRPC.
    pub(crate) rpc: Option<RpcMethod>,
    pub(crate) propagates: bool,
    /// The parent is the span that the request carried.
    pub(crate) carried: bool,
    /// Taken at the end: timings that outlive the attempt must not hold the caller's context.
    live: Mutex<Option<Live>>,
    span_context: SpanContext,
}

/// The context below which an attempt's span starts.
pub(crate) struct Parent {
    pub(crate) context: Context,
    /// From the request's own headers.
    pub(crate) carried: bool,
}

#[derive(Debug)]
struct Live {
    span: BoxedSpan,
    context: Context,
}

impl AttemptState {
    /// Starts the span as a child of `parent`, with the attributes that samplers may use.
    pub(crate) fn start(
        tracer: &SpanTracer,
        parent: Parent,
        attempt: &Attempt,
        request: &RequestHead<'_>,
    ) -> Self {
        let Parent { context: parent, carried } = parent;
        let options = &*tracer.options;
        let clock = Clock::now();
        let method = options.methods.id(attempt.method());
        let rpc = attempt.is_grpc().then(|| options.rpc_methods.of(request.uri.path()));
        let name = match (&rpc, attempt.template()) {
            (Some(rpc), _) => rpc.span_name(),
            (None, Some(template)) => {
                Cow::Owned(format!("{} {}", options.methods.span_name(method), template))
            }
            (None, None) => options.methods.span_name(method),
        };
        let attributes = || start_attributes(attempt, request, method, rpc.as_ref(), options);
        let mut builder = tracer
            .get()
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_start_time(clock.at(attempt.start_time()));
        // Samplers rarely sample the child of a span that is not sampled: do not build attributes for them.
        let above = parent.span().span_context().clone();
        let early = (!above.is_valid() || above.is_sampled()) && tracer.makes_spans();
        if early {
            builder = builder.with_attributes(attributes());
        }
        let mut span = match options.keep {
            Some(_) => tracer.get().build_with_context(builder, &parent.with_value(MayBeKept)),
            None => tracer.get().build_with_context(builder, &parent),
        };
        if !early && span.is_recording() {
            span.set_attributes(attributes());
        }
        let span_context = span.span_context().clone();
        tracer.set_makes_spans(span_context != above);
        // The context holds the span's identity only, so that the span has one owner and needs no lock of its own.
        let context = parent.with_remote_span_context(span_context.clone());
        let live = Mutex::new(Some(Live { span, context }));
        let propagates = request.extensions.get::<NoPropagation>().is_none();
        Self { clock, method, rpc, propagates, carried, live, span_context }
    }

    pub(crate) fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    /// The context in which the span is current; `None` after the end.
    pub(crate) fn context(&self) -> Option<Context> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| live.context.clone())
    }

    /// Records attributes of the response's head.
    pub(crate) fn head(&self, response: &ResponseHead<'_>, tracer: &SpanTracer) {
        let opt_in = &tracer.options.opt_in;
        if !opt_in.wants_head() {
            return;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = live.as_mut().filter(|live| live.span.is_recording()) {
            live.span.set_attributes(opt_in.at_head(response.headers));
        }
    }

    /// Ends the span, with a link to the span of the connection's setup. Returns false if the span ended before.
    pub(crate) fn end(&self, tracer: &SpanTracer, ended: &Ended<'_>, setup: Option<&SetupState>) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Live { mut span, mut context }) = live else { return false };
        if !span.is_recording() {
            return true;
        }
        let options = &*tracer.options;
        let mut kept = None;
        if let (Some(keep), false) = (&options.keep, self.span_context.is_sampled()) {
            let Some(reason) = keep.reason(ended) else { return true };
            span.set_attribute(KeyValue::new(o::KEPT, reason));
            context = context.with_value(MayBeKept);
            kept = Some(reason);
        }
        if let Some(setup) = setup.and_then(|setup| setup.link_for(ended.attempt.id())) {
            span.add_link(setup, Vec::new());
        }
        span.set_attributes(end_attributes(ended, setup));
        span.set_attributes(options.opt_in.at_end(ended.attempt));
        if ended.error_type().is_some() {
            span.set_status(ended.error_status());
        }
        match options.phases {
            Phases::Spans => phase_spans(tracer.get(), self.clock, &context, ended, kept),
            Phases::Events => phase_events(&mut span, self.clock, ended),
            Phases::Off => {}
        }
        span.end_with_timestamp(self.clock.at(ended.end));
        true
    }
}
