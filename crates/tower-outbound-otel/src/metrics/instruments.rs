//! Every instrument, with its unit and buckets.

use std::sync::Arc;

use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

use super::rpc_series::RpcSeries;
use crate::options::{Metrics, Options};
use crate::semconv::{metric as m, outbound as o};

/// The conventions', for `http.client.request.duration`, `rpc.client.call.duration` and `dns.lookup.duration`.
const REQUEST_SECONDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// The convention's, for `http.client.connection.duration`.
const CONNECTION_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// For every `outbound.*.duration`.
const SECONDS: [f64; 17] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];
const CONNECTION_REQUESTS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
const CALL_ATTEMPTS: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 10.0];
/// The convention has none. The SDK's default ends at 10,000.
const BYTES: [f64; 10] =
    [128.0, 512.0, 2048.0, 8192.0, 32_768.0, 131_072.0, 524_288.0, 2_097_152.0, 8_388_608.0, 33_554_432.0];

/// `None` is a metric that is off.
#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) request_duration: Option<Histogram<f64>>,
    pub(super) rpc_call_duration: Option<Histogram<f64>>,
    pub(super) rpc_series: Arc<RpcSeries>,
    pub(super) active_requests: Option<UpDownCounter<i64>>,
    pub(super) open_connections: Option<UpDownCounter<i64>>,
    pub(super) connection_duration: Option<Histogram<f64>>,
    pub(super) request_body_size: Option<Histogram<u64>>,
    pub(super) response_body_size: Option<Histogram<u64>>,
    pub(super) dns_lookup_duration: Option<Histogram<f64>>,
    pub(super) requests: Option<Counter<u64>>,
    pub(super) connection_opened: Option<Counter<u64>>,
    pub(super) connection_closed: Option<Counter<u64>>,
    pub(super) connection_requests: Option<Histogram<u64>>,
    pub(super) connection_io: Option<Counter<u64>>,
    pub(super) connect_duration: Option<Histogram<f64>>,
    pub(super) connect_failed: Option<Counter<u64>>,
    pub(super) connect_wasted: Option<Counter<u64>>,
    pub(super) connection_stale: Option<Counter<u64>>,
    pub(super) connection_waiting: Option<UpDownCounter<i64>>,
    pub(super) phase_duration: Option<Histogram<f64>>,
    pub(super) slot_limit: Option<UpDownCounter<i64>>,
    pub(super) slot_usage: Option<UpDownCounter<i64>>,
    pub(super) slot_waiting: Option<UpDownCounter<i64>>,
    pub(super) ttfb_duration: Option<Histogram<f64>>,
    pub(super) server_duration: Option<Histogram<f64>>,
    pub(super) body_duration: Option<Histogram<f64>>,
    pub(super) retries: Option<Counter<u64>>,
    pub(super) retry_given_up: Option<Counter<u64>>,
    pub(super) retry_delay: Option<Histogram<f64>>,
    pub(super) releases: Option<Counter<u64>>,
    pub(super) call_attempts: Option<Histogram<u64>>,
    pub(super) resets: Option<Counter<u64>>,
    pub(super) config_reload: Option<Counter<u64>>,
    pub(super) operation_duration: Option<Histogram<f64>>,
    pub(super) operation_step_duration: Option<Histogram<f64>>,
    pub(super) operation_steps: Option<Counter<u64>>,
    pub(super) deadline_elapsed: Option<Counter<u64>>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter, options: &Options) -> Self {
        let core = options.metrics != Metrics::Off;
        let all = options.metrics == Metrics::All;
        let sizes = core && options.body_sizes;
        let seconds = |on: bool, name, buckets: &[f64], description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_boundaries(buckets.to_vec());
            on.then(|| histogram.with_description(description).build())
        };
        let amounts = |on: bool, name, unit: &'static str, buckets: &[f64], description| {
            let histogram = meter.u64_histogram(name).with_unit(unit).with_boundaries(buckets.to_vec());
            on.then(|| histogram.with_description(description).build())
        };
        let counter = |on: bool, name, unit: &'static str, description| {
            let counter = meter.u64_counter(name).with_unit(unit);
            on.then(|| counter.with_description(description).build())
        };
        let up_down = |on: bool, name, unit: &'static str, description| {
            let counter = meter.i64_up_down_counter(name).with_unit(unit);
            on.then(|| counter.with_description(description).build())
        };
        Self {
            request_duration: seconds(
                core,
                m::REQUEST_DURATION,
                &REQUEST_SECONDS,
                "Duration of HTTP client requests.",
            ),
            rpc_call_duration: seconds(
                core,
                m::RPC_CALL_DURATION,
                &REQUEST_SECONDS,
                "Measures the duration of an outgoing Remote Procedure Call (RPC).",
            ),
            rpc_series: Arc::default(),
            active_requests: up_down(all, m::ACTIVE_REQUESTS, "{request}", "Number of active HTTP requests."),
            open_connections: up_down(
                core,
                m::OPEN_CONNECTIONS,
                "{connection}",
                "Number of outbound HTTP connections that are currently active or idle on the client.",
            ),
            connection_duration: seconds(
                all,
                m::CONNECTION_DURATION,
                &CONNECTION_SECONDS,
                "The duration of the successfully established outbound HTTP connections.",
            ),
            request_body_size: amounts(
                sizes,
                m::REQUEST_BODY_SIZE,
                "By",
                &BYTES,
                "Size of HTTP client request bodies.",
            ),
            response_body_size: amounts(
                sizes,
                m::RESPONSE_BODY_SIZE,
                "By",
                &BYTES,
                "Size of HTTP client response bodies.",
            ),
            dns_lookup_duration: seconds(
                all,
                m::DNS_LOOKUP_DURATION,
                &REQUEST_SECONDS,
                "Measures the time taken to perform a DNS lookup.",
            ),
            requests: counter(core, "outbound.requests", "{request}", "Ended requests."),
            connection_opened: counter(
                core,
                "outbound.connection.opened",
                "{connection}",
                "Opened connections.",
            ),
            connection_closed: counter(
                core,
                "outbound.connection.closed",
                "{connection}",
                "Closed connections, by reason.",
            ),
            connection_requests: amounts(
                all,
                "outbound.connection.requests",
                "{request}",
                &CONNECTION_REQUESTS,
                "Requests served by a connection, recorded when it closes.",
            ),
            connection_io: counter(all, "outbound.connection.io", "By", "HTTP bytes, above TLS."),
            connect_duration: seconds(
                core,
                "outbound.connect.duration",
                &SECONDS,
                "Duration of a connect: DNS, TCP and TLS.",
            ),
            connect_failed: counter(all, "outbound.connect.failed", "{attempt}", "Failed connects."),
            connect_wasted: counter(
                all,
                "outbound.connect.wasted",
                "{attempt}",
                "Connects whose attempt was served by another connection.",
            ),
            connection_stale: counter(
                all,
                "outbound.connection.stale",
                "{connection}",
                "Pooled connections that were dead when an attempt was to use them.",
            ),
            connection_waiting: up_down(
                all,
                "outbound.connection.waiting",
                "{connection}",
                "Requests waiting for a connection of the pool.",
            ),
            phase_duration: seconds(
                all,
                "outbound.phase.duration",
                &SECONDS,
                "Duration of each phase of attempts and connects.",
            ),
            slot_limit: up_down(all, "outbound.slot.limit", "{request}", "Limit of requests in flight."),
            slot_usage: up_down(all, "outbound.slot.usage", "{request}", "Requests in flight under a limit."),
            slot_waiting: up_down(all, "outbound.slot.waiting", "{request}", "Requests waiting for a slot."),
            server_duration: seconds(
                core && options.opt_in.wants_server_duration(),
                o::SERVER_DURATION,
                &SECONDS,
                "What the server says of itself in Server-Timing.",
            ),
            ttfb_duration: seconds(
                core,
                "outbound.ttfb.duration",
                &SECONDS,
                "From the start of the attempt to the first byte of the response.",
            ),
            body_duration: seconds(
                core,
                "outbound.body.duration",
                &SECONDS,
                "From the first byte of the response to the end, failure or drop of its body.",
            ),
            retries: counter(core, "outbound.retries", "{retry}", "Retries, by reason."),
            retry_given_up: counter(
                all,
                "outbound.retry.given_up",
                "{call}",
                "Retries that were wanted but not made, by reason and limit.",
            ),
            retry_delay: seconds(
                all,
                "outbound.retry.delay",
                &SECONDS,
                "Sum of the backoffs of a call that had any.",
            ),
            releases: counter(
                all,
                "outbound.releases",
                "{response}",
                "Failed responses released before a backoff, by method.",
            ),
            call_attempts: amounts(
                all,
                "outbound.call.attempts",
                "{request}",
                &CALL_ATTEMPTS,
                "Attempts per call.",
            ),
            resets: counter(all, "outbound.resets", "{reset}", "Resets of the pools."),
            config_reload: counter(all, "outbound.config.reload", "{reload}", "Reloads of the settings."),
            operation_duration: seconds(
                all,
                "outbound.operation.duration",
                &SECONDS,
                "Duration of operations: named steps under one deadline.",
            ),
            operation_step_duration: seconds(
                all,
                "outbound.operation.step.duration",
                &SECONDS,
                "Duration of the steps of operations that ran.",
            ),
            operation_steps: counter(
                all,
                "outbound.operation.steps",
                "{step}",
                "Declared steps of ended operations, by outcome; not reached ones too.",
            ),
            deadline_elapsed: counter(
                all,
                "outbound.deadline.elapsed",
                "{call}",
                "Calls that their deadline cut, by phase.",
            ),
        }
    }

    /// The same instruments, with fewer metrics: the core, or none. What goes up and down stays: it must come to 0.
    pub(super) fn capped(&self, metrics: Metrics) -> Self {
        let core = metrics == Metrics::Core;
        Self {
            rpc_series: Arc::clone(&self.rpc_series),
            request_duration: self.request_duration.clone().filter(|_| core),
            rpc_call_duration: self.rpc_call_duration.clone().filter(|_| core),
            active_requests: self.active_requests.clone(),
            open_connections: self.open_connections.clone(),
            connection_duration: None,
            request_body_size: self.request_body_size.clone().filter(|_| core),
            response_body_size: self.response_body_size.clone().filter(|_| core),
            dns_lookup_duration: None,
            requests: self.requests.clone().filter(|_| core),
            connection_opened: self.connection_opened.clone().filter(|_| core),
            connection_closed: self.connection_closed.clone().filter(|_| core),
            connection_requests: None,
            connection_io: None,
            connect_duration: self.connect_duration.clone().filter(|_| core),
            connect_failed: None,
            connect_wasted: None,
            connection_stale: None,
            connection_waiting: self.connection_waiting.clone(),
            phase_duration: None,
            slot_limit: self.slot_limit.clone(),
            slot_usage: self.slot_usage.clone(),
            slot_waiting: self.slot_waiting.clone(),
            server_duration: self.server_duration.clone().filter(|_| core),
            ttfb_duration: self.ttfb_duration.clone().filter(|_| core),
            body_duration: self.body_duration.clone().filter(|_| core),
            retries: self.retries.clone().filter(|_| core),
            retry_given_up: None,
            retry_delay: None,
            releases: None,
            call_attempts: None,
            resets: None,
            config_reload: None,
            operation_duration: None,
            operation_step_duration: None,
            operation_steps: None,
            deadline_elapsed: None,
        }
    }
}
