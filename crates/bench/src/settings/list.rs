//! The settings by name.

use tower_outbound_telemetry::OtlpProtocol;

use super::{Client, Observe, Setting, Traffic};

const PHASES: Observe = Observe::Traces { share: 1.0, phases: true };
const TRACES: Observe = Observe::Traces { share: 1.0, phases: false };
const TRACES_1: Observe = Observe::Traces { share: 0.01, phases: true };
const PIPELINE: Observe = Observe::Pipeline { protocol: OtlpProtocol::Grpc, gzip: false };
const GZIP: Observe = Observe::Pipeline { protocol: OtlpProtocol::Grpc, gzip: true };
const OVER_HTTP: Observe = Observe::Pipeline { protocol: OtlpProtocol::HttpProtobuf, gzip: false };
const OVER_HTTP_GZIP: Observe = Observe::Pipeline { protocol: OtlpProtocol::HttpProtobuf, gzip: true };

/// Measured on `OutboundClient`, and with the prefix `layers_` on hyper-util's client.
const OURS: [(&str, Observe, Traffic); 15] = [
    ("none", Observe::Nothing, Traffic::Warm),
    ("metrics", Observe::Metrics, Traffic::Warm),
    ("traces_1", TRACES_1, Traffic::Warm),
    ("traces_100", TRACES, Traffic::Warm),
    ("traces_100_phases", PHASES, Traffic::Warm),
    ("pipeline_100_phases", PIPELINE, Traffic::Warm),
    ("pipeline_gzip", GZIP, Traffic::Warm),
    ("cold_100", PHASES, Traffic::Cold),
    ("tls_none", Observe::Nothing, Traffic::Tls),
    ("tls_traces_100", TRACES, Traffic::Tls),
    ("h2_none", Observe::Nothing, Traffic::H2),
    ("h2_metrics", Observe::Metrics, Traffic::H2),
    ("h2_traces_100", TRACES, Traffic::H2),
    ("frames_up", Observe::Nothing, Traffic::FramesUp),
    ("frames_down", Observe::Nothing, Traffic::FramesDown),
];

/// What people use instead, exported.
const PEERS: [(&str, Client, Observe, Traffic); 2] = [
    ("peer_tracelayer", Client::TraceLayer, Observe::Otlp, Traffic::Warm),
    ("peer_tower_otel", Client::TowerOtel, Observe::Otlp, Traffic::Warm),
];

/// What the guard leaves out: the code of others changes with their versions only, and 3 MiB take long.
const FURTHER: [(&str, Client, Observe, Traffic); 24] = [
    ("raw", Client::Raw, Observe::Nothing, Traffic::Warm),
    ("lean", Client::Lean, Observe::Nothing, Traffic::Warm),
    ("lean_hand_metrics", Client::HandLean, Observe::Metrics, Traffic::Warm),
    ("lean_hand_traces_1", Client::HandLean, TRACES_1, Traffic::Warm),
    ("lean_hand_traces_100", Client::HandLean, PHASES, Traffic::Warm),
    ("hand_metrics", Client::HandBare, Observe::Metrics, Traffic::Warm),
    ("hand_traces_1", Client::HandBare, TRACES_1, Traffic::Warm),
    ("hand_traces_100", Client::HandBare, PHASES, Traffic::Warm),
    ("tracelayer_traces_100", Client::TraceLayer, TRACES, Traffic::Warm),
    ("tower_otel_traces_100", Client::TowerOtel, TRACES, Traffic::Warm),
    ("reqwest_middleware_traces_100", Client::ReqwestMiddleware, TRACES, Traffic::Warm),
    ("peer_reqwest_middleware", Client::ReqwestMiddleware, Observe::Otlp, Traffic::Warm),
    ("none_without_retries", Client::Outbound, Observe::NothingOnce, Traffic::Warm),
    ("none_deadline", Client::Outbound, Observe::Deadline { header: false }, Traffic::Warm),
    ("none_deadline_header", Client::Outbound, Observe::Deadline { header: true }, Traffic::Warm),
    ("layers_none_deadline", Client::Layers, Observe::Deadline { header: false }, Traffic::Warm),
    ("metrics_core", Client::Outbound, Observe::CoreMetrics, Traffic::Warm),
    ("pipeline_http", Client::Outbound, OVER_HTTP, Traffic::Warm),
    ("pipeline_http_gzip", Client::Outbound, OVER_HTTP_GZIP, Traffic::Warm),
    ("cold_none", Client::Outbound, Observe::Nothing, Traffic::Cold),
    ("big_up_none", Client::Outbound, Observe::Nothing, Traffic::BigUp),
    ("big_up_traces_100", Client::Outbound, PHASES, Traffic::BigUp),
    ("big_down_none", Client::Outbound, Observe::Nothing, Traffic::BigDown),
    ("big_down_traces_100", Client::Outbound, PHASES, Traffic::BigDown),
];

/// What `figures.json` has, without the bases, in the order of the tables.
pub(crate) fn guarded() -> impl Iterator<Item = Setting> {
    let ours = |client: Client, prefix: &'static str| {
        OURS.into_iter().map(move |(name, observe, traffic)| Setting {
            name: format!("{prefix}{name}"),
            client,
            observe,
            traffic,
        })
    };
    let peers = PEERS.into_iter().map(setting);
    ours(Client::Outbound, "").chain(peers).chain(ours(Client::Layers, "layers_"))
}

/// The other contenders and traffics, without the bases.
pub(crate) fn further() -> impl Iterator<Item = Setting> {
    FURTHER.into_iter().map(setting)
}

/// What sends its spans to the receiver.
pub(crate) fn exporting() -> impl Iterator<Item = Setting> {
    let sent = |setting: &Setting| matches!(setting.observe, Observe::Pipeline { .. } | Observe::Otlp);
    guarded().chain(further()).filter(sent)
}

fn setting((name, client, observe, traffic): (&str, Client, Observe, Traffic)) -> Setting {
    Setting { name: name.into(), client, observe, traffic }
}

/// Settings of duels only.
pub(crate) fn bursts() -> impl Iterator<Item = Setting> {
    [(Client::Outbound, ""), (Client::Layers, "layers_")].into_iter().flat_map(|(client, prefix)| {
        [32, 64].map(|size| Setting {
            name: format!("{prefix}burst_{size}"),
            client,
            observe: Observe::Nothing,
            traffic: Traffic::Burst(size),
        })
    })
}

/// The setting or base of this name.
pub(crate) fn named(name: &str) -> Option<Setting> {
    Traffic::ALL
        .map(Traffic::base)
        .into_iter()
        .chain(guarded())
        .chain(further())
        .chain(bursts())
        .find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn setting_names_are_distinct_and_found() {
        let names: Vec<String> = guarded()
            .chain(further())
            .chain(bursts())
            .chain(Traffic::ALL.map(Traffic::base))
            .map(|setting| setting.name)
            .collect();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        for name in names {
            assert_eq!(named(&name).unwrap().name, name);
        }
    }
}
