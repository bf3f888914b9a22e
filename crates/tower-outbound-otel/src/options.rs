//! The options of an [`OtelObserver`].

use std::sync::OnceLock;

use http::header::HeaderName;
use opentelemetry::global::BoxedTracer;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::{Tracer, TracerProvider};
use tower_outbound::event::ObserverKey;

use crate::keep::Keep;
use crate::labels::{Admission, Hosts};
use crate::methods::{self, Methods};
use crate::metrics::Recorder;
use crate::observer::{OtelObserver, scope};
use crate::opt_in::{OptIn, SpanAttribute};
use crate::propagate::Propagate;
use crate::redact::RedactQuery;
use crate::rpc::RpcMethods;

/// What becomes of the phases of an attempt and of a setup that are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phases {
    /// A child span each.
    Spans,
    /// An event each, on the span itself.
    Events,
    /// Nothing.
    Off,
}

/// Which metrics are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metrics {
    /// All of them, the convention's opt-in ones too.
    All,
    /// Those that answer most questions: marked `c` in the documentation.
    Core,
    /// None.
    Off,
}

/// An attribute that metrics have by option only, since it can multiply their series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricLabel {
    /// `url.template` on the convention's metrics of requests.
    UrlTemplate,
    /// `url.scheme` on the convention's metrics; `outbound.*` always have it.
    UrlScheme,
    /// `network.peer.address` on the convention's metrics of connections.
    PeerAddress,
    /// `server.port` on `outbound.*`; the convention's always have it.
    OutboundPort,
}

/// Options as resolved.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) methods: Methods,
    pub(crate) rpc_methods: RpcMethods,
    pub(crate) phases: Phases,
    pub(crate) metrics: Metrics,
    pub(crate) labels: Vec<MetricLabel>,
    pub(crate) opt_in: OptIn,
    pub(crate) body_sizes: bool,
    pub(crate) end_at_head: bool,
    pub(crate) propagate: Propagate,
    pub(crate) redact: RedactQuery,
    pub(crate) keep: Option<Keep>,
}

/// Options of an [`OtelObserver`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct OtelObserverBuilder {
    options: Options,
    hosts: Hosts,
    tracer: OnceLock<BoxedTracer>,
    meter: Option<Meter>,
}

impl Default for OtelObserverBuilder {
    fn default() -> Self {
        Self {
            options: Options {
                methods: Methods::from_variable(std::env::var(methods::VARIABLE).ok().as_deref()),
                rpc_methods: RpcMethods::first(),
                phases: Phases::Spans,
                metrics: Metrics::All,
                labels: Vec::new(),
                opt_in: OptIn::default(),
                body_sizes: false,
                end_at_head: false,
                propagate: Propagate::everywhere(),
                redact: RedactQuery::Sensitive,
                keep: None,
            },
            hosts: Hosts::default(),
            tracer: OnceLock::new(),
            meter: None,
        }
    }
}

impl OtelObserverBuilder {
    /// Exports attempts of traces that are not sampled: see [`Keep`]. The provider needs a sampler that honours
    /// [`MayBeKept`](crate::keep::MayBeKept), and a processor that exports the spans with the attribute
    /// [`KEPT`](crate::keep::KEPT); the pipeline of `tower-outbound-telemetry` has both.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.options.keep = Some(keep);
        self
    }

    /// Where spans go; without it, to the global provider as it is at the first attempt.
    pub fn tracer_provider<P>(mut self, provider: &P) -> Self
    where
        P: TracerProvider,
        P::Tracer: Send + Sync + 'static,
        <P::Tracer as Tracer>::Span: Send + Sync + 'static,
    {
        let tracer = BoxedTracer::new(Box::new(provider.tracer_with_scope(scope())));
        self.tracer = OnceLock::from(tracer);
        self
    }

    /// Where metrics go; without it, to the global provider as it is at the first attempt.
    pub fn meter_provider(mut self, provider: &impl MeterProvider) -> Self {
        self.meter = Some(provider.meter_with_scope(scope()));
        self
    }

    /// What becomes of phases: [`Phases::Spans`] unless set.
    pub fn phases(mut self, phases: Phases) -> Self {
        self.options.phases = phases;
        self
    }

    /// Which metrics are recorded: [`Metrics::All`] unless set.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.options.metrics = metrics;
        self
    }

    /// Adds an attribute to the metrics; several add up.
    pub fn metric_label(mut self, label: MetricLabel) -> Self {
        self.options.labels.push(label);
        self
    }

    /// Records the metrics `http.client.request.body.size` and `http.client.response.body.size`.
    pub fn body_sizes(mut self) -> Self {
        self.options.body_sizes = true;
        self
    }

    /// Adds an attribute to the attempts' spans; several add up.
    pub fn span_attribute(mut self, attribute: SpanAttribute) -> Self {
        self.options.opt_in.attribute(attribute);
        self
    }

    /// Records a header of requests, as the caller has written it, in `http.request.header.{name}`; several add
    /// up. Hidden are values that are marked as sensitive, and those of `Authorization` and `Cookie`.
    pub fn request_header(mut self, name: HeaderName) -> Self {
        self.options.opt_in.request_header(name);
        self
    }

    /// Records a header of responses in `http.response.header.{name}`; several add up. Hidden are values that
    /// are marked as sensitive, and those of `Set-Cookie`.
    ///
    /// # Example
    /// ```
    /// # use tower_outbound_otel::OtelObserver;
    /// let observer = OtelObserver::builder().response_header(http::header::RETRY_AFTER).build();
    /// # let _ = observer;
    /// ```
    pub fn response_header(mut self, name: HeaderName) -> Self {
        self.options.opt_in.response_header(name);
        self
    }

    /// Ends the attempt's span, and its duration, at the response's head in place of the body's end; gRPC's goes on
    /// until the body's end, where its status is.
    pub fn end_at_head(mut self) -> Self {
        self.options.end_at_head = true;
        self
    }

    /// Which hosts get series of their own: the first 100 pairs of host and port unless set.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// The known methods; unless set, those of `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`, or the convention's.
    pub fn known_methods<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.methods = Methods::listed(methods);
        self
    }

    /// The gRPC methods that have names of their own, as `package.Service/Method`; every other one is `_OTHER` with the
    /// span name `grpc`. Without a list, the first 100 that are seen; with one, the first 250 of it.
    ///
    /// # Example
    /// ```
    /// # use tower_outbound_otel::OtelObserver;
    /// let observer = OtelObserver::builder().known_rpc_methods(["shop.Orders/Create", "shop.Orders/Get"]).build();
    /// # let _ = observer;
    /// ```
    pub fn known_rpc_methods<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.rpc_methods = RpcMethods::listed(methods);
        self
    }

    /// Where the trace context goes: [`Propagate::everywhere`] unless set.
    pub fn propagate(mut self, propagate: Propagate) -> Self {
        self.options.propagate = propagate;
        self
    }

    /// Which values `url.full` hides: [`RedactQuery::Sensitive`] unless set.
    pub fn redact_query(mut self, redact: RedactQuery) -> Self {
        self.options.redact = redact;
        self
    }

    /// The observer.
    #[must_use]
    pub fn build(self) -> OtelObserver {
        OtelObserver {
            recorder: Recorder::new(Admission::new(self.hosts), self.meter),
            options: self.options,
            tracer: self.tracer,
            attempts: ObserverKey::new(),
            setups: ObserverKey::new(),
            calls: ObserverKey::new(),
        }
    }
}
