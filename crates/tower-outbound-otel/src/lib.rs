//! OpenTelemetry spans and metrics from tower-outbound's events.
//!
//! ```
//! use tower_outbound::Outbound;
//! use tower_outbound_otel::OtelObserver;
//!
//! let outbound = Outbound::builder().observer(OtelObserver::new()).build();
//! // … then `outbound.connector(..)` below the client, `outbound.layer()` around it, and `outbound.retry_layer()` above that.
//! # let _ = outbound;
//! ```
//!
//! It speaks OpenTelemetry's API directly, so that an exchange that is not sampled costs three allocations below
//! a caller that is not sampled either, and five without one; a record of a metric none. An exchange's parent is
//! the context of the call, which `tracing-opentelemetry` sets too.
//!
//! # Spans
//!
//! | span | parent |
//! | --- | --- |
//! | `{METHOD}` or `{METHOD} {url.template}`, CLIENT | the caller's |
//! | `HTTP wait_for_connection {host}:{port}`, only without a connection at hand (where that cannot be seen, above 1 ms); `outbound.queue`, only if it had to wait for a slot; `outbound.send`, `outbound.wait`, `outbound.head` (above 1 ms), `outbound.body` | the exchange |
//! | `HTTP connection_setup {host}:{port}` | the exchange that started it and is served by it, else none, with a link to the former; every other exchange that it serves links to it |
//! | `DNS lookup {host}`, `socket connect {ip}:{port}`, `proxy tunnel {host}:{port}`, `TLS client handshake {host}` | the setup |
//!
//! There is no span around the exchanges of one call. Each is a child of what was current when the call was made; where
//! that is no span, resends are children of the call's first exchange, so that all are in one trace. A resend has
//! `http.request.resend_count`, `outbound.retry.reason` and `outbound.retry.backoff`.
//!
//! 4xx, 5xx and failures set the status and `error.type`. The caller's cancellation is no error and sets
//! `outbound.cancelled_in`; an error status that was received before it stays one. The convention's opt-in
//! attributes are [options](SpanAttribute), and so is each header: none is recorded that
//! [was not named](OtelObserverBuilder::request_header). Users, passwords and sensitive query values are hidden.
//!
//! # Metrics
//!
//! Those marked c are [`Metrics::Core`]; body sizes are an [option](OtelObserverBuilder::body_sizes).
//!
//! | the convention's | ours |
//! | --- | --- |
//! | `http.client.request.duration` c | `outbound.requests` c |
//! | `http.client.open_connections` c | `outbound.ttfb.duration` c, `outbound.body.duration` c |
//! | `http.client.active_requests` | `outbound.connection.opened` c, `outbound.connection.closed` c |
//! | `http.client.connection.duration` | `outbound.connect.duration` c, `outbound.connect.failed`, `outbound.connect.wasted` |
//! | `dns.lookup.duration` | `outbound.connection.exchanges`, `outbound.connection.io` |
//! | `http.client.request.body.size`, `http.client.response.body.size` | `outbound.phase.duration` |
//! | | `outbound.retries` c, `outbound.retry.given_up`, `outbound.retry.delay`, `outbound.releases` |
//! | | `outbound.call.exchanges` |
//! | | `outbound.slot.limit`, `outbound.slot.usage`, `outbound.slot.waiting` |
//!
//! Bounded: 100 pairs of host and port ([`Hosts`]), the known methods; everything else is `_OTHER`. A
//! connection's version is part of `http.client.open_connections` as soon as it is known.
//!
//! # Suppression
//!
//! An exchange that starts while telemetry is suppressed leaves no span and no metric, and neither do the
//! connects that it starts and their connections: an exporter may use a stack that is observed itself.
//!
//! # Variables
//!
//! | variable | honoured | default |
//! | --- | --- | --- |
//! | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` | by [`OtelObserver`], unless the code gives a list | the convention's |
//!
//! Feature `otlp` adds `Telemetry::from_env`, the whole pipeline; its documentation has the table of all others.
//!
//! # Features
//!
//! `otlp`, and `console`, which prints for development: off by default. The SDK is a dependency in any case, since
//! its support of bound instruments must be on wherever the API's is; the application's choice of providers is its
//! own.

mod call_state;
mod clock;
#[cfg(feature = "console")]
pub mod console;
mod exchange_span;
#[cfg_attr(
    not(feature = "otlp"),
    allow(dead_code, unreachable_pub, reason = "only a pipeline has the sampler for it")
)]
mod keep;
mod labels;
mod methods;
mod metrics;
mod names;
mod observer;
mod opt_in;
mod options;
mod phases;
mod propagate;
mod redact;
mod setup_span;
mod target;
#[cfg(feature = "otlp")]
mod telemetry;

#[cfg(feature = "otlp")]
pub use self::keep::Keep;
pub use self::labels::Hosts;
pub use self::observer::OtelObserver;
pub use self::opt_in::SpanAttribute;
pub use self::options::{MetricLabel, Metrics, OtelObserverBuilder, Phases};
pub use self::propagate::{NoPropagation, Propagate, PropagateLayer, PropagateService};
pub use self::redact::RedactQuery;
#[cfg(feature = "otlp")]
pub use self::telemetry::{
    Loss, OtlpProtocol, Report, Tally, Telemetry, TelemetryBuilder, TelemetryError, Warning,
};

/// The README's code, compiled.
#[cfg(all(doctest, feature = "otlp"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
