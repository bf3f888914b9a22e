//! What is valid for a key, and what is not.

/// A valid value that is not the default, as `Settings` show it.
pub(crate) fn valid(key: &str) -> &'static str {
    match key {
        "retry.status" => "429,503",
        "retry.attempt_header" => "x-attempt",
        "retry.budget_share" | "retry.connect_budget_share" => "0.5",
        "retry.replay_up_to"
        | "retry.release_up_to"
        | "pool.drain_up_to"
        | "tcp.send_buffer_size"
        | "tcp.recv_buffer_size" => "128KiB",
        "tcp.local_address" => "192.0.2.7,2001:db8::7",
        "tcp.interface" => "eth0.5",
        "tcp.nodelay" => "false",
        "tcp.reuse_address" => "true",
        "pool.when_full" => "overflow",
        "telemetry.observe" => "false",
        "telemetry.phases" => "events",
        "telemetry.metrics" => "core",
        "retry.connect_only" | "retry.idempotent" | "retry.grpc" | "http2.keep_alive_while_idle" => "true",
        "connect.retire_silent_after"
        | "recovery.after"
        | "tcp.keepalive_retries"
        | "retry.max_retries"
        | "retry.budget_per_second"
        | "retry.connect_budget_per_second" => "7",
        _ if is_number(key) => "700",
        _ => "7s",
    }
}

/// Limits of connections and requests.
pub(crate) fn is_number(key: &str) -> bool {
    let (table, name) = key.split_once('.').unwrap();
    match table {
        "in_flight" => name != "acquire_timeout",
        "pool" => matches!(
            name,
            "max_connections_per_origin"
                | "max_connections"
                | "max_idle_per_origin"
                | "max_idle"
                | "max_waiting"
                | "max_streams"
                | "max_uses"
        ),
        _ => false,
    }
}

/// How the key shows zero; `None` where zero has no meaning.
pub(crate) fn zero(key: &str) -> Option<&'static str> {
    match key {
        "retry.status" | "retry.attempt_header" | "tcp.local_address" | "tcp.interface" => Some("none"),
        "tcp.nodelay" | "tcp.reuse_address" => Some("false"),
        "retry.connect_only" | "retry.idempotent" | "retry.grpc" | "http2.keep_alive_while_idle" => {
            Some("false")
        }
        "pool.when_full" => None,
        "telemetry.observe" => Some("false"),
        "telemetry.phases" | "telemetry.metrics" => Some("off"),
        _ => Some("0"),
    }
}

/// A unit of another kind of value.
pub(crate) fn wrong_unit(key: &str) -> &'static str {
    if valid(key) == "7s" { "7KiB" } else { "7s" }
}

/// Whether the key takes any word: every text without a blank is the name of a header, or may be that of an interface.
pub(crate) fn takes_words(key: &str) -> bool {
    matches!(key, "retry.attempt_header" | "tcp.interface")
}
