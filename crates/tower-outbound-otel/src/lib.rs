//! OpenTelemetry spans and metrics from tower-outbound's events.
//!
//! ```
//! use tower_outbound::Outbound;
//! use tower_outbound_otel::OtelObserver;
//!
//! let outbound = Outbound::builder().observer(OtelObserver::new()).build();
//! // … then `outbound.connector(..)` below the client, `outbound.layer()` around it.
//! # let _ = outbound;
//! ```
//!
//! It speaks OpenTelemetry's API directly, so that an attempt that is not sampled costs three allocations below
//! a caller that is not sampled either, and five without one; a record of a metric none. An attempt's parent is
//! the context of the call, which `tracing-opentelemetry` sets too.
//!
//! # Spans
//!
//! | span | parent |
//! | --- | --- |
//! | `{METHOD}` or `{METHOD} {url.template}`, of gRPC `{package.Service}/{Method}`; CLIENT | the caller's |
//! | `HTTP wait_for_connection {host}:{port}`, only without a connection at hand (where that cannot be seen, above 1 ms); `outbound.queue`, only if it had to wait for a slot; `outbound.send`, `outbound.wait`, `outbound.head` (above 1 ms), `outbound.body` | the attempt |
//! | `HTTP connection_setup {host}:{port}` | the attempt that started it and is served by it, else none, with a link to the former; every other attempt that it serves links to it |
//! | `DNS lookup {host}`, `socket connect {ip}:{port}`, `proxy tunnel {host}:{port}`, `TLS client handshake {host}` | the setup |
//!
//! There is no span around the attempts of one call. Each is a child of what was current when the call was made; where
//! that is no span, retries are children of the call's first attempt, so that all are in one trace. A retry has
//! `http.request.resend_count`, `outbound.retry.reason` and `outbound.retry.backoff`.
//!
//! 4xx, 5xx, failures and gRPC's errors set the status and `error.type`. The caller's cancellation is no error and sets
//! `outbound.cancelled_in`; an error status that was received before it stays one. The convention's opt-in
//! attributes are [options](SpanAttribute), and so is each header: none is recorded that
//! [was not named](OtelObserverBuilder::request_header). Users, passwords and sensitive query values are hidden.
//!
//! # gRPC
//!
//! A request whose `content-type` is `application/grpc` is still one CLIENT span, with HTTP's attributes and gRPC's beside
//! them: `rpc.system.name`, `rpc.method`, `rpc.response.status_code` and, where the method has no name of its own,
//! `rpc.method_original`. The RPC convention's name wins over a `url.template`, which stays an attribute. The names are
//! those of the conventions' v1.44.0 (its text after that has `rpc.status_code` in place of `rpc.response.status_code`; no
//! release of it has).
//!
//! | the attempt | `rpc.response.status_code` | `error.type` | span status |
//! | --- | --- | --- | --- |
//! | `grpc-status: 0`, read to the trailers | `OK` | | unset |
//! | another `grpc-status`, inside HTTP's 200 too | its name: `UNAVAILABLE` | the same | error |
//! | 4xx or 5xx without one | by gRPC's mapping: `UNAVAILABLE` for a 503 | `503` | error |
//! | an answer without a status, or with one that is none | `UNKNOWN` | the same | error |
//! | it failed below gRPC | by gRPC's documents: `UNAVAILABLE`, or `DEADLINE_EXCEEDED` | the kind: `connection_refused` | error |
//! | the caller has dropped it | `CANCELLED` | | unset |
//!
//! `rpc.client.call.duration` is recorded once per attempt, with the value of the span and of
//! `http.client.request.duration`. The convention has a call with all its retries in mind; but its value is to be that of
//! the span, of which HTTP's convention wants one for each time a request is sent, and never a second one around them. So
//! a retry is an RPC of its own here, by its `http.request.resend_count`; `outbound.call.attempts` counts calls. HTTP's
//! metrics do not know gRPC's status: there a 200 has no `error.type`; `outbound.outcome` is `error` for both.
//!
//! # Metrics
//!
//! Those marked c are [`Metrics::Core`]; body sizes are an [option](OtelObserverBuilder::body_sizes).
//!
//! | the convention's | ours |
//! | --- | --- |
//! | `http.client.request.duration` c | `outbound.requests` c |
//! | `rpc.client.call.duration` c | `outbound.ttfb.duration` c, `outbound.body.duration` c |
//! | `http.client.open_connections` c | |
//! | `http.client.active_requests` | `outbound.connection.opened` c, `outbound.connection.closed` c |
//! | `http.client.connection.duration` | `outbound.connect.duration` c, `outbound.connect.failed`, `outbound.connect.wasted` |
//! | `dns.lookup.duration` | `outbound.connection.requests`, `outbound.connection.io` |
//! | `http.client.request.body.size`, `http.client.response.body.size` | `outbound.phase.duration` |
//! | | `outbound.retries` c, `outbound.retry.given_up`, `outbound.retry.delay`, `outbound.releases` |
//! | | `outbound.call.attempts` |
//! | | `outbound.slot.limit`, `outbound.slot.usage`, `outbound.slot.waiting` |
//!
//! Bounded: 100 pairs of host and port ([`Hosts`]), the known methods, 100 methods of gRPC or
//! [those listed](OtelObserverBuilder::known_rpc_methods); everything else is `_OTHER`. `rpc.client.call.duration` has less
//! than 2,000 series whatever hosts, methods and statuses there are: from 1,000 on, new ones are without their method's
//! name, from 1,200 on also without their host's, and no RPC is left out. A
//! connection's version is part of `http.client.open_connections` as soon as it is known.
//!
//! # Suppression
//!
//! An attempt that starts while telemetry is suppressed leaves no span and no metric, and neither do the
//! connects that it starts and their connections: an exporter may use a stack that is observed itself.
//!
//! # Variables
//!
//! | variable | honoured | default |
//! | --- | --- | --- |
//! | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` | by [`OtelObserver`], unless the code gives a list | the convention's |
//!
//! `Telemetry::from_env` of `tower-outbound-telemetry` builds providers, exporters and propagators from all others.
//!
//! # Features
//!
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `bound` | bound instruments: a record allocates nothing and hashes no attributes. Depends on `opentelemetry_sdk` (without default features), whose feature must be on together with the API's | on |
//!
//! Without `bound`, this crate depends on OpenTelemetry's API alone, and records the same metrics.
//!
//! # Minimum Rust version
//!
//! 1.85.

mod builder;
mod ended;
mod error_type;
pub mod keep;
mod labels;
mod methods;
mod metrics;
mod observer;
mod opt_in;
mod options;
mod phases;
mod propagate;
mod redact;
mod rpc;
mod semconv;
mod span;
mod target;

pub use tower_outbound::attempt::NoPropagation;

pub use self::builder::OtelObserverBuilder;
pub use self::labels::Hosts;
pub use self::observer::OtelObserver;
pub use self::opt_in::SpanAttribute;
pub use self::options::{MetricLabel, Metrics, Phases};
pub use self::propagate::{Propagate, PropagateLayer, PropagateService};
pub use self::redact::RedactQuery;
pub use self::semconv::scope;
