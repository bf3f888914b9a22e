//! The rows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::field::Field;
use super::key::{Key, Kind};
use crate::settings::{
    LocalAddresses, MetricDetail, PhaseDetail, Settings, Silence, StackSettings, WhenFull,
};

/// Where an option is.
struct Place<T> {
    get: fn(&StackSettings) -> T,
    set: fn(&mut StackSettings, T),
}

macro_rules! at {
    ($($field:ident).+) => {
        Place { get: |stack| stack.$($field).+, set: |stack, value| stack.$($field).+ = value }
    };
}

macro_rules! retry {
    ($($field:ident).+) => {
        Place {
            get: |stack| stack.retry.$($field).+.clone(),
            set: |stack, value| Arc::make_mut(&mut stack.retry).$($field).+ = value,
        }
    };
}

macro_rules! tcp {
    ($field:ident) => {
        Place {
            get: |stack| stack.tcp.$field.clone(),
            set: |stack, value| Arc::make_mut(&mut stack.tcp).$field = value,
        }
    };
}

macro_rules! timeout {
    ($field:ident) => {
        Place {
            get: |stack| stack.timeouts.resolve(Silence::Fault).$field,
            set: |stack, value| stack.timeouts = stack.timeouts.$field(value),
        }
    };
}

const CALL: Place<Duration> = Place {
    get: |stack| stack.timeouts.of_call().unwrap_or_default(),
    set: |stack, value| stack.timeouts = stack.timeouts.call(value),
};

/// The last address of each family counts.
const LOCAL: Place<Vec<IpAddr>> = Place {
    get: |stack| {
        let LocalAddresses { ipv4, ipv6 } = stack.tcp.local;
        ipv4.map(IpAddr::from).into_iter().chain(ipv6.map(IpAddr::from)).collect()
    },
    set: |stack, addresses| {
        let mut local = LocalAddresses::default();
        for address in addresses {
            match address {
                IpAddr::V4(address) => local.ipv4 = Some(address),
                IpAddr::V6(address) => local.ipv6 = Some(address),
            }
        }
        Arc::make_mut(&mut stack.tcp).local = local;
    },
};

/// As `RetryLayer::connect_only`. The row of `max_retries` comes later.
const CONNECT_ONLY: Place<bool> = Place {
    get: |stack| stack.retry.connect_only,
    set: |stack, value| {
        let retry = Arc::make_mut(&mut stack.retry);
        retry.connect_only = value;
        if value {
            retry.max_retries = 1;
        }
    },
};

macro_rules! keys {
    ($($method:ident($type:ty) $name:literal $kind:ident $doc:literal zero $zero:literal at $place:expr;)+) => {
        pub(in crate::settings) const KEYS: &[Key] = &[$({
            const PLACE: Place<$type> = $place;
            Key {
                name: $name,
                kind: Kind::$kind,
                #[cfg(test)]
                zero: $zero,
                #[cfg(test)]
                doc: $doc,
                get: |stack| (PLACE.get)(stack).to_value(Kind::$kind),
                set: |stack, value| {
                    if let Some(value) = <$type>::from_value(value) {
                        (PLACE.set)(stack, value);
                    }
                },
            }
        }),+];

        /// An option that is set by code wins over environment and file.
        impl Settings {
            $(
                #[doc = concat!("`", $name, "`: ", $doc, " Zero: ", $zero, ".")]
                pub fn $method(self, value: $type) -> Self {
                    self.by_code($name, value.to_value(Kind::$kind))
                }
            )+
        }
    };
}

keys! {
    connect_timeout(Duration) "connect.timeout" Duration
        "Timeout of a connect: DNS, TCP, tunnel and TLS together."
        zero "no timeout" at at!(connect.connect);
    tls_timeout(Duration) "connect.tls_timeout" Duration
        "Timeout of the TLS handshake alone."
        zero "no timeout" at at!(connect.tls);
    retire_silent_after(u32) "connect.retire_silent_after" Count
        "After how many attempts in a row that time out while nothing is read an HTTP/2 connection is retired."
        zero "never" at at!(connect.silent_attempts);
    attempt_delay(Duration) "tcp.attempt_delay" Duration
        "After how long the next address of a host is tried beside the current one; at least 10ms."
        zero "only when the current one has failed" at tcp!(attempt_delay);
    tcp_nodelay(bool) "tcp.nodelay" Switch
        "`TCP_NODELAY` of new sockets."
        zero "off" at tcp!(nodelay);
    tcp_keepalive(Duration) "tcp.keepalive" Duration
        "Idle time before the first probe of `SO_KEEPALIVE`, in whole seconds."
        zero "no probes" at tcp!(keepalive);
    tcp_keepalive_interval(Duration) "tcp.keepalive_interval" Duration
        "Time between two of these probes, in whole seconds."
        zero "the system's" at tcp!(keepalive_interval);
    tcp_keepalive_retries(u32) "tcp.keepalive_retries" Count
        "After how many probes without an answer a connection is dropped; on Linux `tcp.user_timeout` replaces it."
        zero "the system's" at tcp!(keepalive_retries);
    tcp_user_timeout(Duration) "tcp.user_timeout" Duration
        "How long sent bytes and probes may stay unacknowledged, on Linux."
        zero "the system's" at tcp!(user_timeout);
    local_address(Vec<IpAddr>) "tcp.local_address" Addresses
        "The local address of sockets. With one, only addresses of its family are connected to."
        zero "none" at LOCAL;
    interface(Option<String>) "tcp.interface" Interface
        "The network interface of sockets, on Linux."
        zero "none" at tcp!(interface);
    reuse_address(bool) "tcp.reuse_address" Switch
        "`SO_REUSEADDR` of new sockets."
        zero "off" at tcp!(reuse_address);
    send_buffer_size(usize) "tcp.send_buffer_size" Size
        "`SO_SNDBUF` of new sockets; Linux doubles it."
        zero "the system's" at tcp!(send_buffer_size);
    recv_buffer_size(usize) "tcp.recv_buffer_size" Size
        "`SO_RCVBUF` of new sockets; Linux doubles it."
        zero "the system's" at tcp!(recv_buffer_size);
    call_timeout(Duration) "timeouts.call" Duration
        "Timeout of a call: all attempts, and the waits between them."
        zero "no timeout" at CALL;
    attempt_timeout(Duration) "timeouts.attempt" Duration
        "Timeout of an attempt, to the end of its response's body."
        zero "no timeout" at timeout!(attempt);
    first_byte_timeout(Duration) "timeouts.first_byte" Duration
        "Timeout from the end of the request to the response's head."
        zero "no timeout" at timeout!(first_byte);
    write_idle_timeout(Duration) "timeouts.write_idle" Duration
        "Timeout of an upload without progress."
        zero "no timeout" at timeout!(write_idle);
    body_idle_timeout(Duration) "timeouts.body_idle" Duration
        "Timeout of a download without progress."
        zero "no timeout" at timeout!(body_idle);
    retry_connect_only(bool) "retry.connect_only" Switch
        "Retries only what got no connection, or a reused one that was dead before a byte was sent; once, unless `retry.max_retries` is set."
        zero "off" at CONNECT_ONLY;
    max_retries(u32) "retry.max_retries" Count
        "Retries of a call."
        zero "no retries" at retry!(max_retries);
    retry_idempotent(bool) "retry.idempotent" Switch
        "Retries idempotent requests also if a reused connection died after they were sent."
        zero "off" at retry!(idempotent);
    retry_status(Vec<StatusCode>) "retry.status" Statuses
        "Retries also after these statuses."
        zero "none" at retry!(statuses);
    retry_grpc(bool) "retry.grpc" Switch
        "Retries also after the gRPC status `UNAVAILABLE`."
        zero "off" at retry!(grpc);
    replay_up_to(usize) "retry.replay_up_to" Size
        "How much of a request's body is stored."
        zero "nothing is stored" at retry!(replay_up_to);
    longest_wait(Duration) "retry.longest_wait" Duration
        "The longest delay that a peer may ask for."
        zero "no wait" at retry!(longest_wait);
    backoff_base(Duration) "retry.backoff_base" Duration
        "Bound of the first backoff."
        zero "no delay" at retry!(backoff_base);
    connect_backoff(Duration) "retry.connect_backoff" Duration
        "Bound of the first backoff after a failed connect."
        zero "no delay" at retry!(connect_backoff);
    backoff_cap(Duration) "retry.backoff_cap" Duration
        "Bound of every backoff."
        zero "no delay" at retry!(backoff_cap);
    release_up_to(usize) "retry.release_up_to" Size
        "How much of a failed response is drained before the backoff."
        zero "not drained" at retry!(release.bytes);
    release_timeout(Duration) "retry.release_timeout" Duration
        "How long a failed response is drained before the backoff."
        zero "not drained" at retry!(release.time);
    budget_share(f64) "retry.budget_share" Share
        "Share of the calls that may be retried."
        zero "none" at retry!(budget.share);
    budget_per_second(u32) "retry.budget_per_second" Count
        "Retries per second that are allowed whatever the number of calls."
        zero "none" at retry!(budget.per_second);
    connect_budget_share(f64) "retry.connect_budget_share" Share
        "Share of the calls that may be retried after a failed connect."
        zero "none" at retry!(connect_budget.share);
    connect_budget_per_second(u32) "retry.connect_budget_per_second" Count
        "The same per second, whatever the number of calls."
        zero "none" at retry!(connect_budget.per_second);
    attempt_header(Option<HeaderName>) "retry.attempt_header" Header
        "The header that has the number of earlier attempts."
        zero "none" at retry!(attempt_header);
    max_in_flight_per_origin(usize) "in_flight.max_per_origin" Count
        "Requests to one origin that are in flight."
        zero "no limit" at at!(in_flight.max_in_flight_per_origin);
    max_in_flight(usize) "in_flight.max" Count
        "Requests to all origins that are in flight."
        zero "no limit" at at!(in_flight.max_in_flight);
    max_queued(usize) "in_flight.max_queued" Count
        "Requests to one origin that wait for a slot."
        zero "none waits" at at!(in_flight.max_queued);
    slot_timeout(Duration) "in_flight.acquire_timeout" Duration
        "How long a request waits for a slot."
        zero "no timeout" at at!(in_flight.acquire_timeout);
    max_connections_per_origin(usize) "pool.max_connections_per_origin" Count
        "Connections of one origin, connects included; of all clients of an `Outbound` together."
        zero "no limit" at at!(pool.max_connections_per_origin);
    max_connections(usize) "pool.max_connections" Count
        "Connections of all origins, connects included."
        zero "no limit" at at!(pool.max_connections);
    max_idle_per_origin(usize) "pool.max_idle_per_origin" Count
        "Idle HTTP/1 connections of one origin that are kept."
        zero "none is kept" at at!(pool.max_idle_per_origin);
    max_idle(usize) "pool.max_idle" Count
        "Idle HTTP/1 connections of all origins that are kept."
        zero "no limit" at at!(pool.max_idle);
    idle_timeout(Duration) "pool.idle_timeout" Duration
        "How long an idle connection is kept."
        zero "no timeout" at at!(idle_timeout);
    acquire_timeout(Duration) "pool.acquire_timeout" Duration
        "How long a request waits for a connection."
        zero "no timeout" at at!(pool.acquire_timeout);
    connect_after(Duration) "pool.connect_after" Duration
        "How long a request waits for a busy connection before it opens another one."
        zero "no wait" at at!(pool.connect_after);
    max_waiting(usize) "pool.max_waiting" Count
        "Requests of one origin that wait without a connect of their own."
        zero "none waits" at at!(pool.max_waiting);
    max_streams(usize) "pool.max_streams" Count
        "Streams of one HTTP/2 connection."
        zero "the peer's limit" at at!(pool.max_streams);
    max_age(Duration) "pool.max_age" Duration
        "The age from which a connection serves no further request."
        zero "any age" at at!(pool.max_age);
    max_uses(u64) "pool.max_uses" Count
        "How many requests a connection serves."
        zero "no limit" at at!(pool.max_uses);
    when_full(WhenFull) "pool.when_full" WhenFull
        "What happens to a request at the limit of connections."
        zero "not valid" at at!(pool.when_full);
    drain_up_to(u64) "pool.drain_up_to" Size
        "How much of a dropped body is read to keep its HTTP/1 connection."
        zero "not read" at at!(pool.drain_bytes);
    drain_timeout(Duration) "pool.drain_timeout" Duration
        "How long a dropped body is read to keep its HTTP/1 connection."
        zero "not read" at at!(pool.drain_time);
    silent_after(Duration) "pool.silent_after" Duration
        "For how long no connection of an origin has received anything, when a reset cuts its unanswered requests so that others get their places."
        zero "none is cut" at at!(pool.silent_after);
    recover_after(u32) "recovery.after" Count
        "After how many timeouts of requests that wait for a connection or a slot, in a row and while nothing is received, an origin is reset."
        zero "never" at at!(recovery.after);
    recover_interval(Duration) "recovery.interval" Duration
        "The shortest time between two such resets of an origin."
        zero "none" at at!(recovery.interval);
    keep_alive_interval(Duration) "http2.keep_alive_interval" Duration
        "After how long without a frame an HTTP/2 connection sends a PING."
        zero "no PINGs" at at!(pool.keep_alive.interval);
    keep_alive_timeout(Duration) "http2.keep_alive_timeout" Duration
        "How long the peer may take to answer a PING."
        zero "no PINGs" at at!(pool.keep_alive.timeout);
    keep_alive_while_idle(bool) "http2.keep_alive_while_idle" Switch
        "Sends PINGs also while no stream is open."
        zero "off" at at!(pool.keep_alive.while_idle);
    observe(bool) "telemetry.observe" Switch
        "Whether observers get what starts: calls, attempts, connects and operations. Without, there are no spans, no metrics and no trace context."
        zero "nothing is observed" at at!(telemetry.observe);
    phases(PhaseDetail) "telemetry.phases" Phases
        "How an observer records phases, at most."
        zero "off" at at!(telemetry.detail.phases);
    metrics(MetricDetail) "telemetry.metrics" Metrics
        "Which metrics an observer records, at most. Numbers of what is open stay right."
        zero "off" at at!(telemetry.detail.metrics);
}
