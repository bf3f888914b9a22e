//! OpenTelemetry spans, metrics and trace context propagation for tower-outbound.
//!
//! [`OtelObserver`] turns the events of an [`Outbound`](tower_outbound::Outbound) into spans and metrics, and writes the
//! trace context into requests. The crate uses OpenTelemetry's API; the application chooses the SDK, providers and
//! exporters. To build those from the `OTEL_*` variables, use `tower-outbound-telemetry`.
//!
//! # Example
//! ```
//! use tower_outbound::Outbound;
//! use tower_outbound_otel::OtelObserver;
//!
//! let outbound = Outbound::builder().observer(OtelObserver::new()).build();
//! // … then `outbound.connector(..)` below the client, and `outbound.layer()` around it.
//! # let _ = outbound;
//! ```
//!
//! # Spans
//!
//! | span | parent |
//! | --- | --- |
//! | `{METHOD}` or `{METHOD} {url.template}`; for gRPC `{package.Service}/{Method}`; kind CLIENT | the caller's span |
//! | `outbound.queue`, if the attempt waited for a slot; `HTTP wait_for_connection {host}:{port}`, if no connection was at hand (untracked connections: above 1 ms); `outbound.send`, `outbound.wait`, `outbound.head` (above 1 ms), `outbound.body` | the attempt |
//! | `HTTP connection_setup {host}:{port}` | the attempt that started the connect, if the connection serves it or if the attempt fails with the connect; otherwise a root with a link to that attempt; without an attempt, the span that was current. Other attempts on the connection link to this span |
//! | `operation {name}` of an [`Operation`](tower_outbound::operation::Operation) | the caller's span |
//! | `step {name}`; what is called inside is below it | the operation |
//! | `DNS lookup {host}`, `socket connect {ip}:{port}`, `proxy tunnel {host}:{port}`, `TLS client handshake {host}` | the setup |
//!
//! After an upload of more than 14,600 bytes, `outbound.send` has `outbound.bound` = `lower` and `outbound.wait` has
//! `outbound.bound` = `upper`: the system may have kept the last bytes, so the peer's share is at most `outbound.wait`.
//!
//! The attempts of a call have no span around them. Each is a child of the span that was current when the call was made.
//! If there was none, each is a child of the span in the request's own headers: a proxy that forwards `traceparent` and
//! `tracestate` stays in the trace. If there are none either, retries are children of the first attempt, so that they share
//! its trace. Retries have the attributes
//! `http.request.resend_count`, `outbound.retry.reason` and `outbound.retry.backoff`.
//!
//! Status 4xx and 5xx, failures and gRPC errors set the span status and `error.type`. Where no response came, the status has
//! the kind and phase of the failure as its description. A cancellation by the caller is not
//! an error and sets `outbound.cancelled_in`; an error status received before it remains an error. Opt-in attributes of the
//! convention are [options](SpanAttribute). Headers are recorded only if [listed](OtelObserverBuilder::request_header).
//! Users, passwords and [sensitive query values](RedactQuery) are hidden; [`RedactPath`] hides parts of the path.
//!
//! An attempt that is not sampled costs three allocations below a caller that is not sampled either, and five without a
//! caller. Recording a metric allocates nothing.
//!
//! # gRPC
//!
//! A request with content type `application/grpc` has one CLIENT span with the attributes of HTTP and of gRPC:
//! `rpc.system.name`, `rpc.method`, `rpc.response.status_code`, and `rpc.method_original` if the method is `_OTHER`. The
//! span name is the RPC convention's; a `url.template` is an attribute. The names are those of the conventions' v1.44.0.
//!
//! | the attempt | `rpc.response.status_code` | `error.type` | span status |
//! | --- | --- | --- | --- |
//! | `grpc-status: 0`, read to the trailers | `OK` | | unset |
//! | another `grpc-status`, also with HTTP's 200 | its name: `UNAVAILABLE` | the same | error |
//! | 4xx or 5xx without `grpc-status` | by gRPC's mapping: `UNAVAILABLE` for a 503 | `503` | error |
//! | a response without a valid `grpc-status` | `UNKNOWN` | the same | error |
//! | failed below gRPC | by gRPC's documents: `UNAVAILABLE`, or `DEADLINE_EXCEEDED` | the kind: `connection_refused` | error |
//! | cancelled by the caller | `CANCELLED` | | unset |
//!
//! `rpc.client.call.duration` is recorded once per attempt and equals the duration of the span and of
//! `http.client.request.duration`. The RPC convention means a call with all its retries, but also requires the value of the
//! span, and HTTP's convention requires one span per request sent. Here, each retry is therefore an RPC of its own;
//! `outbound.call.attempts` counts calls. The HTTP metrics ignore the gRPC status: a 200 has no `error.type` there.
//! `outbound.outcome` is `error` in both cases.
//!
//! # Metrics
//!
//! Metrics marked c are [`Metrics::Core`]. Body sizes and `outbound.server.duration` are options
//! ([`body_sizes`](OtelObserverBuilder::body_sizes), [`server_timing`](OtelObserverBuilder::server_timing)).
//!
//! | convention | this crate |
//! | --- | --- |
//! | `http.client.request.duration` c | `outbound.requests` c |
//! | `rpc.client.call.duration` c | `outbound.ttfb.duration` c, `outbound.body.duration` c |
//! | `http.client.open_connections` c | |
//! | `http.client.active_requests` | `outbound.connection.opened` c, `outbound.connection.closed` c |
//! | `http.client.connection.duration` | `outbound.connect.duration` c, `outbound.connect.failed`, `outbound.connect.wasted` |
//! | `dns.lookup.duration` | `outbound.connection.requests`, `outbound.connection.io`, `outbound.connection.stale`, `outbound.connection.waiting` |
//! | `http.client.request.body.size`, `http.client.response.body.size` | `outbound.phase.duration` |
//! | | `outbound.retries` c, `outbound.retry.given_up`, `outbound.retry.delay`, `outbound.releases` |
//! | | `outbound.server.duration`; `outbound.phase.duration` of `wait` minus it is transit and queueing |
//! | | `outbound.call.attempts`, `outbound.deadline.elapsed` |
//! | | `outbound.slot.limit`, `outbound.slot.usage`, `outbound.slot.waiting` |
//! | | `outbound.resets`: `outbound.outcome` is `error` if connections stay in use, `recovery` if it came by itself |
//! | | `outbound.config.reload`: `outbound.outcome` is `error` if the file cannot be read or parsed |
//! | | `outbound.operation.duration`, `outbound.operation.step.duration`, `outbound.operation.steps` |
//!
//! The settings of the stack cap the set while the service runs: `telemetry.metrics`, and `telemetry.phases` for spans
//! ([`Observer::on_detail`](tower_outbound::Observer::on_detail)). What goes up and down is counted in any case.
//!
//! The counters of retries, failed and wasted connects have their usual series with 0 from the first request to an origin on,
//! so that a rate sees the first retry and the first failure.
//!
//! `outbound.operation.steps` counts every declared step by `outbound.outcome`, also those that were not reached. The first 100
//! steps, by operation, name, target and server, have series of their own; the targets and servers of others are `_OTHER`.
//!
//! The number of series is bounded: 100 pairs of host and port ([`Hosts`]), the known methods, and 100 gRPC methods or
//! [those listed](OtelObserverBuilder::known_rpc_methods). Other values are `_OTHER`. A status that is not registered has no
//! `http.response.status_code` on metrics, and `_OTHER` as `error.type` if it is 400 or above; spans keep the number.
//! `rpc.client.call.duration` has fewer than 2,000 series: above 1,000, new series have no method; above 1,200, no host
//! either. No RPC is left out.
//! `http.client.open_connections` has the connection's version as soon as it is known: with TLS when it opens, without at
//! its first use. Until then it counts as idle without a version, so that one that is never used is seen; that series stays
//! at 0 afterwards.
//!
//! # Suppression
//!
//! An attempt that starts while telemetry is suppressed has no span and no metrics, and neither have its connects and their
//! connections. An exporter can therefore use an observed client.
//!
//! # Variables
//!
//! | variable | read by | default |
//! | --- | --- | --- |
//! | `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` | [`OtelObserver`], unless the code lists the methods | the convention's list |
//!
//! # Features
//!
//! | feature | adds | default |
//! | --- | --- | --- |
//! | `bound` | bound instruments: recording hashes no attributes. Adds a dependency on `opentelemetry_sdk` (without its default features), since the API's feature must not be on without the SDK's | on |
//!
//! Without `bound`, the crate depends on OpenTelemetry's API alone and records the same metrics.
//!
//! # Minimum Rust version
//!
//! 1.85.

/// A configuration of the OpenTelemetry Collector: whole traces, and metrics of spans.
///
#[doc = include_str!("collector.md")]
pub mod collector {}

mod builder;
mod carried;
mod ended;
mod error_type;
#[doc(hidden)]
pub mod global;
pub mod keep;
mod labels;
/// For the pipeline of `tower-outbound-telemetry`: it may change in any release.
#[doc(hidden)]
pub mod late {
    pub use crate::span::{AttemptSink, EndedAttempt, MadeSpan, Started};
}
mod methods;
mod metrics;
mod observer;
mod operations;
mod opt_in;
mod options;
mod phases;
mod propagate;
mod redact;
mod rpc;
mod semconv;
mod server_timing;
mod span;
mod target;

pub use tower_outbound::attempt::NoPropagation;

pub use self::builder::OtelObserverBuilder;
pub use self::labels::Hosts;
pub use self::observer::OtelObserver;
pub use self::opt_in::SpanAttribute;
pub use self::options::{MetricLabel, Metrics, Phases};
pub use self::propagate::{Propagate, PropagateLayer, PropagateService};
pub use self::redact::{RedactPath, RedactQuery};
pub use self::semconv::scope;
