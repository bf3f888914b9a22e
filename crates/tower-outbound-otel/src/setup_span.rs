//! The span of a setup: made once, when it is known where it belongs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Status, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use tokio::time::Instant;
use tower_outbound::connect::{AddressAttempt, Protocol, Setup, SetupPhase};
use tower_outbound::{Attempt, Connection, Failure, Phase};

use crate::clock::Clock;
use crate::names::{attribute as a, outbound as o};
use crate::options::Phases;

/// What the observer keeps in a setup; a setup without it is suppressed, and so is its connection.
#[derive(Debug)]
pub(crate) struct SetupState {
    clock: Clock,
    starter: Option<SpanContext>,
    /// The attempt that started it, until the span is made.
    waiting: Mutex<Option<Attempt>>,
    claimed: AtomicBool,
    /// The attempt whose child the span is; 0 where it is a root.
    child_of: AtomicU64,
    span: OnceLock<SpanContext>,
}

/// The connection that a setup has made, and the first attempt that it serves.
pub(crate) type Served<'a> = (&'a Connection, &'a Attempt);

impl SetupState {
    pub(crate) fn new(clock: Clock, starter: Option<(SpanContext, Attempt)>) -> Self {
        let (claimed, child_of) = (AtomicBool::new(false), AtomicU64::new(0));
        let (starter, waiting) = starter.unzip();
        Self { clock, starter, waiting: Mutex::new(waiting), claimed, child_of, span: OnceLock::new() }
    }

    /// The attempt that started it, if it is the one served, or if it still waits on HTTP/2: there another
    /// may get its answer first, on the connection that both are on.
    pub(crate) fn take_parent(&self, served: Option<Served<'_>>) -> Option<Attempt> {
        let starter = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (connection, attempt) = served?;
        let shared = connection.protocol() == Some(Protocol::Http2);
        let waits = || shared && !starter.is_ended() && starter.connection().is_none();
        (attempt.id() == starter.id() || waits()).then_some(starter)
    }

    /// What an attempt that the setup's connection has served links to, unless the setup is its child.
    pub(crate) fn link_for(&self, attempt: u64) -> Option<SpanContext> {
        let mine = self.child_of.load(Ordering::Acquire) == attempt;
        self.span.get().filter(|span| !mine && span.is_sampled()).cloned()
    }

    /// Makes the span, a child of the attempt given, or a root with a link to the attempt that started it.
    ///
    /// Only the first call counts. No lock is held while the SDK and its exporters run.
    pub(crate) fn record(
        &self,
        tracer: &BoxedTracer,
        setup: &Setup,
        parent: Option<(u64, Context)>,
        failure: Option<&Failure>,
        phases: Phases,
    ) {
        if self.claimed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut builder = tracer
            .span_builder(format!("HTTP connection_setup {}", setup.origin().authority()))
            .with_kind(SpanKind::Internal)
            .with_start_time(self.clock.at(setup.start_time()))
            .with_attributes(attributes(setup, failure));
        let context = match parent {
            Some((attempt, context)) => {
                self.child_of.store(attempt, Ordering::Release);
                context
            }
            None => {
                let starter = self.starter.iter().filter(|starter| starter.is_sampled()).cloned();
                builder = builder.with_links(starter.map(Link::with_context).collect());
                Context::new()
            }
        };
        let mut span = tracer.build_with_context(builder, &context);
        let _ = self.span.set(span.span_context().clone());
        if !span.is_recording() {
            return;
        }
        if failure.is_some() {
            span.set_status(Status::error(""));
        }
        match phases {
            Phases::Spans => self.phase_spans(tracer, setup, &span, &context),
            Phases::Events => self.phase_events(&mut span, setup),
            Phases::Off => {}
        }
        let end = setup.end_time().unwrap_or_else(Instant::now);
        span.end_with_timestamp(self.clock.at(end));
    }

    fn phase_spans(&self, tracer: &BoxedTracer, setup: &Setup, parent: &BoxedSpan, context: &Context) {
        use opentelemetry::trace::TraceContextExt;

        let context = context.with_remote_span_context(parent.span_context().clone());
        for stage in stages(setup) {
            let builder = tracer
                .span_builder(stage.name)
                .with_kind(SpanKind::Internal)
                .with_start_time(self.clock.at(stage.start))
                .with_attributes(stage.attributes);
            let mut span = tracer.build_with_context(builder, &context);
            if stage.failed {
                span.set_status(Status::error(""));
            }
            span.end_with_timestamp(self.clock.at(stage.end));
        }
    }

    fn phase_events(&self, span: &mut BoxedSpan, setup: &Setup) {
        for stage in stages(setup) {
            let seconds = stage.end.saturating_duration_since(stage.start).as_secs_f64();
            let attributes = vec![KeyValue::new(o::PHASE_DURATION, seconds)];
            span.add_event_with_timestamp(stage.name, self.clock.at(stage.end), attributes);
        }
    }
}

/// What has a span of its own below a setup's.
struct Stage {
    name: String,
    start: Instant,
    end: Instant,
    attributes: Vec<KeyValue>,
    failed: bool,
}

/// The phases; where the addresses that were tried are known, each of them in place of the phase `tcp`.
fn stages(setup: &Setup) -> Vec<Stage> {
    let attempts = setup.attempts();
    let phases = setup.phases().into_iter().filter(|ended| ended.phase != Phase::Tcp || attempts.is_empty());
    let phases = phases.map(|ended| Stage {
        name: phase_name(setup, &ended),
        start: ended.start,
        end: ended.end,
        attributes: phase_attributes(setup, &ended),
        failed: ended.failure.is_some(),
    });
    phases.chain(attempts.iter().map(attempt_stage)).collect()
}

fn attempt_stage(attempt: &AddressAttempt) -> Stage {
    Stage {
        name: format!("socket connect {}", attempt.address),
        start: attempt.start,
        end: attempt.end,
        attributes: socket_attributes(Some(attempt.address), attempt.failure()),
        failed: attempt.failure().is_some(),
    }
}

fn present(pairs: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> impl Iterator<Item = KeyValue> {
    pairs.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)))
}

fn attributes(setup: &Setup, failure: Option<&Failure>) -> impl Iterator<Item = KeyValue> {
    let origin = setup.origin();
    present([
        (a::ERROR_TYPE, failure.map(|failure| failure.kind().as_str().into())),
        (a::NETWORK_PEER_ADDRESS, setup.peer_addr().map(|peer| peer.ip().to_string().into())),
        (a::SERVER_ADDRESS, Some(origin.host_shared().into())),
        (a::SERVER_PORT, Some(i64::from(origin.port()).into())),
        (a::URL_SCHEME, Some(origin.scheme().to_owned().into())),
    ])
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

fn phase_attributes(setup: &Setup, ended: &SetupPhase) -> Vec<KeyValue> {
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
        Phase::Tcp => socket_attributes(setup.peer_addr(), ended.failure.as_ref()),
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

fn socket_attributes(peer: Option<SocketAddr>, failure: Option<&Failure>) -> Vec<KeyValue> {
    let family = peer.map(|peer| if peer.is_ipv4() { "ipv4" } else { "ipv6" });
    present([
        (a::ERROR_TYPE, failure.map(|failure| failure.kind().as_str().into())),
        (a::NETWORK_PEER_ADDRESS, peer.map(|peer| peer.ip().to_string().into())),
        (a::NETWORK_PEER_PORT, peer.map(|peer| i64::from(peer.port()).into())),
        (a::NETWORK_TYPE, family.map(Into::into)),
    ])
    .collect()
}
