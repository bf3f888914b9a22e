//! The span of a connect, made when its parent is known.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, StringValue, Value};
use tokio::time::Instant;
use tower_outbound::connect::{Protocol, Setup};
use tower_outbound::{Attempt, Connection, Failure};

use super::clock::Clock;
use super::setup_phases::{phase_events, phase_spans, present};
use super::tracer::SpanTracer;
use crate::options::Phases;
use crate::semconv::attribute as a;

/// The observer's state in a connect. A suppressed connect, and its connection, have none.
#[derive(Debug)]
pub(crate) struct SetupState {
    clock: Clock,
    starter: Option<SpanContext>,
    /// The span that was current, of a connect without an attempt.
    caller: Option<SpanContext>,
    /// The attempt that started the connect, until the span is made.
    waiting: Mutex<Option<Attempt>>,
    claimed: AtomicBool,
    /// The id of the attempt whose child the span is; 0 for a root.
    child_of: AtomicU64,
    span: OnceLock<SpanContext>,
    /// See [`address`](Self::address).
    address: OnceLock<(IpAddr, Arc<str>)>,
}

/// The new connection, and the first attempt that it serves.
type Served<'a> = (&'a Connection, &'a Attempt);

impl SetupState {
    pub(crate) fn new(
        clock: Clock,
        starter: Option<(SpanContext, Attempt)>,
        caller: Option<SpanContext>,
    ) -> Self {
        let (claimed, child_of) = (AtomicBool::new(false), AtomicU64::new(0));
        let (starter, waiting) = starter.unzip();
        let (waiting, span, address) = (Mutex::new(waiting), OnceLock::new(), OnceLock::new());
        let caller = caller.filter(SpanContext::is_valid);
        Self { clock, starter, caller, waiting, claimed, child_of, span, address }
    }

    /// The attempt that started the connect, if the connection serves it, or if it still waits on HTTP/2: another
    /// attempt may get its response first on the shared connection.
    pub(crate) fn take_parent(&self, served: Option<Served<'_>>) -> Option<Attempt> {
        let starter = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (connection, attempt) = served?;
        let shared = connection.protocol() == Some(Protocol::Http2);
        let waits = || shared && !starter.is_ended() && starter.connection().is_none();
        (attempt.id() == starter.id() || waits()).then_some(starter)
    }

    /// The attempt that started the connect, if that attempt fails with it: no connection serves the attempt.
    pub(crate) fn take_failing_parent(&self) -> Option<Attempt> {
        let starter = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        (!starter.is_ended() && starter.connection().is_none()).then_some(starter)
    }

    /// The span that a served attempt links to; `None` for the attempt whose child the span is.
    pub(crate) fn link_for(&self, attempt: u64) -> Option<SpanContext> {
        let is_child = self.child_of.load(Ordering::Acquire) == attempt;
        self.span.get().filter(|span| !is_child && span.is_sampled()).cloned()
    }

    /// An address as text, which is made once for the first address that is asked for: the peer's, nearly always.
    pub(super) fn address(&self, ip: IpAddr) -> StringValue {
        match self.address.get_or_init(|| (ip, ip.to_string().into())) {
            (first, text) if *first == ip => Arc::clone(text).into(),
            _ => ip.to_string().into(),
        }
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Makes the span: a child of the given attempt, or a root with a link to the attempt that started the connect.
    ///
    /// Only the first call has an effect. No lock is held while the SDK and its exporters run.
    pub(crate) fn record(
        &self,
        tracer: &SpanTracer,
        setup: &Setup,
        parent: Option<(u64, Context)>,
        failure: Option<&Failure>,
    ) {
        if self.claimed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut builder = tracer
            .get()
            .span_builder(format!("HTTP connection_setup {}", setup.origin().authority()))
            .with_kind(SpanKind::Internal)
            .with_start_time(self.clock.at(setup.start_time()))
            .with_attributes(self.attributes(setup, failure));
        let context = match parent {
            Some((attempt, context)) => {
                self.child_of.store(attempt, Ordering::Release);
                context
            }
            None => {
                let starter = self.starter.iter().filter(|starter| starter.is_sampled()).cloned();
                builder = builder.with_links(starter.map(Link::with_context).collect());
                match &self.caller {
                    Some(caller) => Context::new().with_remote_span_context(caller.clone()),
                    None => Context::new(),
                }
            }
        };
        let mut span = tracer.get().build_with_context(builder, &context);
        let _ = self.span.set(span.span_context().clone());
        if !span.is_recording() {
            return;
        }
        if let Some(failure) = failure {
            span.set_status(Status::error(failure.to_string()));
        }
        match tracer.options.phases_now() {
            Phases::Spans => phase_spans(tracer.get(), self, setup, &span, &context),
            Phases::Events => phase_events(&mut span, self, setup),
            Phases::Off => {}
        }
        let end = setup.end_time().unwrap_or_else(Instant::now);
        span.end_with_timestamp(self.clock.at(end));
    }

    fn attributes(&self, setup: &Setup, failure: Option<&Failure>) -> impl Iterator<Item = KeyValue> + use<> {
        let origin = setup.origin();
        present([
            (a::ERROR_TYPE, failure.map(|failure| failure.kind().as_str().into())),
            (a::NETWORK_PEER_ADDRESS, setup.peer_addr().map(|peer| self.address(peer.ip()).into())),
            (a::SERVER_ADDRESS, Some(origin.host_shared().into())),
            (a::SERVER_PORT, Some(Value::from(i64::from(origin.port())))),
            (a::URL_SCHEME, Some(origin.scheme().to_owned().into())),
        ])
    }
}
