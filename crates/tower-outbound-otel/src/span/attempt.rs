//! The span of an attempt.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanContext, SpanId, SpanKind, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use tower_outbound::attempt::NoPropagation;
use tower_outbound::event::{RequestHead, ResponseHead};
use tower_outbound::{Attempt, Outcome, UrlTemplate};

use super::attempt_attributes::{end_attributes, start_attributes};
use super::attempt_phases::{phase_event, phase_spans, phases_with_span};
use super::clock::Clock;
use super::late::{AttemptSink, EndedAttempt};
use super::setup::SetupState;
use super::tracer::SpanTracer;
use crate::ended::Ended;
use crate::keep::MayBeKept;
use crate::methods::MethodId;
use crate::options::{Options, Phases};
use crate::phases::PhaseSpans;
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
    /// `None` if a tracer makes the span, or nothing does.
    pub(super) late: Option<Late>,
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

/// What a span that is made later needs of the attempt's start.
pub(super) struct Late {
    /// As the caller has written it, with its secrets.
    pub(super) uri: Uri,
    pub(super) parent: SpanId,
    pub(super) parent_is_remote: bool,
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Late").field("parent", &self.parent).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Live {
    span: LiveSpan,
    context: Context,
}

#[derive(Debug)]
enum LiveSpan {
    OfTracer(BoxedSpan),
    /// Made later, with these attributes of the headers.
    Later(Vec<KeyValue>),
    NotRecording,
}

/// A span that has started.
type Begun = (LiveSpan, SpanContext, Option<Late>);

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
        let kept_parent = options.keep.as_ref().map(|_| parent.with_value(MayBeKept));
        let sampled_below = kept_parent.as_ref().unwrap_or(&parent);
        let (span, span_context, late) = match tracer.sink() {
            Some(sink) => begin_late(sink, sampled_below, attempt, request, options),
            None => {
                let name = name(options, method, rpc.as_ref(), attempt.template());
                let attributes = || {
                    let opt_in = options.opt_in.at_start(attempt, request);
                    start_attributes(attempt, request.uri, method, rpc.as_ref(), options, opt_in)
                };
                begin(tracer, sampled_below, clock, attempt, name, attributes)
            }
        };
        // The context holds the span's identity only, so that the span has one owner and needs no lock of its own.
        let context = parent.with_remote_span_context(span_context.clone());
        let live = Mutex::new(Some(Live { span, context }));
        let propagates = request.extensions.get::<NoPropagation>().is_none();
        Self { clock, method, rpc, propagates, carried, late, live, span_context }
    }

    pub(crate) fn span_context(&self) -> &SpanContext {
        &self.span_context
    }

    /// The context in which the span is current; `None` after the end.
    pub(crate) fn context(&self) -> Option<Context> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.as_ref().map(|live| live.context.clone())
    }

    /// The span's name.
    pub(super) fn name(&self, options: &Options, template: Option<&UrlTemplate>) -> Cow<'static, str> {
        name(options, self.method, self.rpc.as_ref(), template)
    }

    /// Records attributes of the response's head.
    pub(crate) fn head(&self, response: &ResponseHead<'_>, tracer: &SpanTracer) {
        let opt_in = &tracer.options.opt_in;
        if !opt_in.wants_head() {
            return;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        match live.as_mut().map(|live| &mut live.span) {
            Some(LiveSpan::OfTracer(span)) if span.is_recording() => {
                span.set_attributes(opt_in.at_head(response.headers));
            }
            Some(LiveSpan::Later(attributes)) => attributes.extend(opt_in.at_head(response.headers)),
            _ => {}
        }
    }

    /// Ends the span, with a link to the span of the connection's setup. Returns false if the span ended before.
    pub(crate) fn end(&self, tracer: &SpanTracer, ended: &Ended<'_>, setup: Option<&SetupState>) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Live { span, context }) = live else { return false };
        let is_recording = match &span {
            LiveSpan::OfTracer(span) => span.is_recording(),
            LiveSpan::Later(_) => true,
            LiveSpan::NotRecording => false,
        };
        if !is_recording {
            return true;
        }
        let options = &*tracer.options;
        let mut kept = None;
        if let (Some(keep), false) = (&options.keep, self.span_context.is_sampled()) {
            let Some(reason) = keep.reason(ended) else { return true };
            kept = Some(reason);
        }
        let link = setup.and_then(|setup| setup.link_for(ended.attempt.id()));
        match (span, tracer.sink()) {
            (LiveSpan::OfTracer(span), _) => {
                self.end_of_tracer(tracer, ended, setup, span, context, link, kept);
            }
            (LiveSpan::Later(attributes), Some(sink)) => {
                let failed = !matches!(ended.outcome, Outcome::Ok);
                let phases = options.phases_now();
                sink.end(EndedAttempt {
                    shared: Arc::clone(&tracer.shared),
                    attempt: ended.attempt.clone(),
                    outcome: failed.then(|| Box::new(ended.outcome.clone())),
                    end: ended.end,
                    attributes,
                    link,
                    kept,
                    as_events: phases == Phases::Events,
                    phases: match phases {
                        Phases::Spans | Phases::Events => phases_with_span(ended),
                        Phases::Off => PhaseSpans::default(),
                    },
                });
            }
            _ => {}
        }
        true
    }

    #[expect(clippy::too_many_arguments, reason = "each is of the attempt's end")]
    fn end_of_tracer(
        &self,
        tracer: &SpanTracer,
        ended: &Ended<'_>,
        setup: Option<&SetupState>,
        mut span: BoxedSpan,
        mut context: Context,
        link: Option<SpanContext>,
        kept: Option<&'static str>,
    ) {
        let options = &*tracer.options;
        if let Some(reason) = kept {
            span.set_attribute(KeyValue::new(o::KEPT, reason));
            context = context.with_value(MayBeKept);
        }
        if let Some(setup) = link {
            span.add_link(setup, Vec::new());
        }
        end_attributes(ended, setup, |attribute| span.set_attribute(attribute));
        span.set_attributes(options.opt_in.at_end(ended.attempt));
        if ended.error_type().is_some() {
            span.set_status(ended.error_status());
        }
        match options.phases_now() {
            Phases::Spans => phase_spans(tracer.get(), self.clock, &context, ended, kept),
            Phases::Events => {
                for phase in phases_with_span(ended).into_iter().flatten() {
                    let (name, attributes) = phase_event(ended, phase);
                    span.add_event_with_timestamp(
                        name,
                        self.clock.at(ended.attempt.start_time() + phase.end),
                        attributes,
                    );
                }
            }
            Phases::Off => {}
        }
        span.end_with_timestamp(self.clock.at(ended.end));
    }
}

fn name(
    options: &Options,
    method: MethodId,
    rpc: Option<&RpcMethod>,
    template: Option<&UrlTemplate>,
) -> Cow<'static, str> {
    match (rpc, template) {
        (Some(rpc), _) => rpc.span_name(),
        (None, Some(template)) => Cow::Owned(format!("{} {}", options.methods.span_name(method), template)),
        (None, None) => options.methods.span_name(method),
    }
}

fn begin(
    tracer: &SpanTracer,
    parent: &Context,
    clock: Clock,
    attempt: &Attempt,
    name: Cow<'static, str>,
    attributes: impl Fn() -> Vec<KeyValue>,
) -> Begun {
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
    let mut span = tracer.get().build_with_context(builder, parent);
    if !early && span.is_recording() {
        span.set_attributes(attributes());
    }
    let span_context = span.span_context().clone();
    tracer.set_makes_spans(span_context != above);
    (LiveSpan::OfTracer(span), span_context, None)
}

fn begin_late(
    sink: &dyn AttemptSink,
    parent: &Context,
    attempt: &Attempt,
    request: &RequestHead<'_>,
    options: &Options,
) -> Begun {
    let started = sink.start(parent);
    if !started.is_recording {
        return (LiveSpan::NotRecording, started.context, None);
    }
    let above = parent.span();
    let above = above.span_context();
    let late = Late {
        uri: request.uri.clone(),
        parent: above.span_id(),
        parent_is_remote: above.is_valid() && above.is_remote(),
    };
    let attributes = options.opt_in.at_start(attempt, request);
    (LiveSpan::Later(attributes), started.context, Some(late))
}
