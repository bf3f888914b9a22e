//! Builds an observer.

use std::sync::{Arc, OnceLock};

use http::header::HeaderName;
use opentelemetry::global::BoxedTracer;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::{Tracer, TracerProvider};

use crate::keep::Keep;
use crate::labels::{Admission, Hosts};
use crate::methods::{self, Methods};
use crate::metrics::Recorder;
use crate::observer::OtelObserver;
use crate::opt_in::{OptIn, SpanAttribute};
use crate::options::{Caps, MetricLabel, Metrics, Options, Phases};
use crate::propagate::Propagate;
use crate::redact::{Redact, RedactPath, RedactQuery};
use crate::rpc::RpcMethods;
use crate::semconv::scope;
use crate::span::AttemptSink;

impl OtelObserver {
    /// An observer with the default options and the global providers, which are looked up at the first attempt.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts an observer with options.
    pub fn builder() -> OtelObserverBuilder {
        OtelObserverBuilder::default()
    }
}

impl Default for OtelObserver {
    fn default() -> Self {
        Self::new()
    }
}

/// Options of an [`OtelObserver`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Debug)]
pub struct OtelObserverBuilder {
    options: Options,
    hosts: Hosts,
    tracer: OnceLock<BoxedTracer>,
    sink: Option<Arc<dyn AttemptSink>>,
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
                redact: Redact { query: RedactQuery::Sensitive, path: RedactPath::Nothing, whole: false },
                keep: None,
                caps: Caps::default(),
            },
            hosts: Hosts::default(),
            tracer: OnceLock::new(),
            sink: None,
            meter: None,
        }
    }
}

impl OtelObserverBuilder {
    /// The tracer provider. Default: the global one, looked up at the first attempt.
    pub fn tracer_provider<P>(mut self, provider: &P) -> Self
    where
        P: TracerProvider,
        P::Tracer: Send + Sync + 'static,
        <P::Tracer as Tracer>::Span: Send + Sync + 'static,
    {
        let tracer = BoxedTracer::new(Box::new(provider.tracer_with_scope(scope())));
        (self.tracer, self.sink) = (OnceLock::from(tracer), None);
        self
    }

    /// Makes the spans of attempts instead of the tracer, unless another provider is given later.
    #[doc(hidden)]
    pub fn attempt_sink(mut self, sink: Arc<dyn AttemptSink>) -> Self {
        self.sink = Some(sink);
        self
    }

    /// The meter provider. Default: the global one, looked up at the first attempt.
    pub fn meter_provider(mut self, provider: &impl MeterProvider) -> Self {
        self.meter = Some(provider.meter_with_scope(scope()));
        self
    }

    /// How phases are recorded. Default: [`Phases::Spans`].
    pub fn phases(mut self, phases: Phases) -> Self {
        self.options.phases = phases;
        self
    }

    /// Which metrics are recorded. Default: [`Metrics::All`].
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.options.metrics = metrics;
        self
    }

    /// Adds an optional attribute to the metrics. Call it once per attribute.
    pub fn metric_label(mut self, label: MetricLabel) -> Self {
        self.options.labels.push(label);
        self
    }

    /// Records the metrics `http.client.request.body.size` and `http.client.response.body.size`. Default: off.
    pub fn body_sizes(mut self) -> Self {
        self.options.body_sizes = true;
        self
    }

    /// Records what a server says of itself: the `dur` of this metric in the `Server-Timing` header of the response, such as
    /// `total;dur=12.3`, in the metric and span attribute `outbound.server.duration` (seconds). Default: off.
    ///
    /// The phase `wait` minus this duration is transit and queueing. The value is the server's: nothing checks it. A response
    /// without the metric, or without a valid `dur`, records nothing. Source: <https://www.w3.org/TR/server-timing/>.
    ///
    /// # Example
    /// ```
    /// # use tower_outbound_otel::OtelObserver;
    /// let observer = OtelObserver::builder().server_timing("total").build();
    /// # let _ = observer;
    /// ```
    pub fn server_timing(mut self, metric: &str) -> Self {
        self.options.opt_in.server_timing(metric);
        self
    }

    /// Adds an optional attribute to attempt spans. Call it once per attribute.
    pub fn span_attribute(mut self, attribute: SpanAttribute) -> Self {
        self.options.opt_in.attribute(attribute);
        self
    }

    /// Records a request header in the span attribute `http.request.header.{name}`. Call it once per header.
    ///
    /// The values are those that the caller set. Values marked as sensitive and those of `Authorization`, `Cookie` and
    /// `Proxy-Authorization` are recorded as `REDACTED`.
    pub fn request_header(mut self, name: HeaderName) -> Self {
        self.options.opt_in.request_header(name);
        self
    }

    /// Records a response header in the span attribute `http.response.header.{name}`. Call it once per header.
    ///
    /// Values marked as sensitive and those of `Set-Cookie` are recorded as `REDACTED`.
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

    /// Ends attempt spans, and the duration metric, at the response's head instead of the body's end. gRPC spans still
    /// end at the body's end, since the trailers carry their status.
    pub fn end_at_head(mut self) -> Self {
        self.options.end_at_head = true;
        self
    }

    /// Which hosts have series of their own. Default: the first 100 pairs of host and port.
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.hosts = hosts;
        self
    }

    /// The known methods; others are recorded as `_OTHER`. Default: the list in
    /// `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`, or else the convention's.
    pub fn known_methods<'a>(mut self, methods: impl IntoIterator<Item = &'a str>) -> Self {
        self.options.methods = Methods::listed(methods);
        self
    }

    /// The known gRPC methods, as `package.Service/Method`; at most the first 250 are used. Others are recorded as
    /// `_OTHER` and have the span name `grpc`. Default: the first 100 methods seen.
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

    /// Which requests carry the trace context. Default: [`Propagate::everywhere`].
    pub fn propagate(mut self, propagate: Propagate) -> Self {
        self.options.propagate = propagate;
        self
    }

    /// Which query values `url.full` hides. Default: [`RedactQuery::Sensitive`].
    pub fn redact_query(mut self, redact: RedactQuery) -> Self {
        self.options.redact.query = redact;
        self
    }

    /// Which parts of the path `url.full` hides. Default: [`RedactPath::Nothing`].
    pub fn redact_path(mut self, redact: RedactPath) -> Self {
        self.options.redact.path = redact;
        self
    }

    /// Leaves `url.full` out. `url.template`, where the request has one, and `server.address` remain.
    pub fn omit_url_full(mut self) -> Self {
        self.options.redact.whole = true;
        self
    }

    /// Exports attempts of traces that are not sampled: see [`Keep`]. Default: none.
    ///
    /// The provider needs a sampler that honours [`MayBeKept`](crate::keep::MayBeKept), and a processor that exports
    /// spans with the attribute [`KEPT`](crate::keep::KEPT). The pipeline of `tower-outbound-telemetry` has both.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.options.keep = Some(keep);
        self
    }

    /// Builds the observer.
    #[must_use]
    pub fn build(self) -> OtelObserver {
        let options = Arc::new(self.options);
        let recorder = Recorder::new(Arc::clone(&options), Admission::new(self.hosts), self.meter);
        OtelObserver::with(options, recorder, self.tracer, self.sink)
    }
}
