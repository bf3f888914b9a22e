//! What is measured: one row for each name in the results.

/// One named measurement: a client, what observes it, and the traffic.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) observe: Observe,
    pub(crate) traffic: Traffic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// hyper-util's client as its users build it: every ratio is to this one, with the same traffic.
    Bare,
    /// `OutboundClient`.
    Outbound,
    /// Our layers around hyper-util's client, as the README builds it.
    Layers,
    /// A stack of tower with tower-http's `TraceLayer`.
    TraceLayer,
    /// The layers of tower-otel.
    TowerOtel,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Observe {
    Nothing,
    /// Every default metric, without a tracer.
    Metrics,
    /// Metrics and this share of traces, by the SDK's batch processor to an exporter that sends nothing.
    Traces {
        share: f64,
        phases: bool,
    },
    /// `Telemetry` with its defaults: every trace and phase, sent over gRPC to a receiver in another process.
    Pipeline {
        gzip: bool,
    },
    /// opentelemetry-otlp by its users' way, to the same receiver.
    Otlp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// HTTP/1 keep-alive: 1 KiB up, 1 KiB down.
    Warm,
    /// The same with a connection for each request.
    Cold,
    /// HTTP/1 keep-alive over TLS.
    Tls,
    /// HTTP/2 with prior knowledge.
    H2,
    /// 64 KiB in frames of 1 KiB as request.
    FramesUp,
    /// 64 KiB in chunks of 1 KiB as response.
    FramesDown,
    /// As warm, so many requests at once, and the next when all have ended. Only in duels.
    Burst(usize),
}

impl Traffic {
    pub(crate) const ALL: [Self; 6] =
        [Self::Warm, Self::Cold, Self::Tls, Self::H2, Self::FramesUp, Self::FramesDown];

    /// The setting that the others with this traffic are compared with.
    pub(crate) fn base(self) -> Setting {
        let name = match self {
            Self::Warm | Self::Burst(_) => "bare",
            Self::Cold => "bare_cold",
            Self::Tls => "bare_tls",
            Self::H2 => "bare_h2",
            Self::FramesUp => "bare_frames_up",
            Self::FramesDown => "bare_frames_down",
        };
        Setting { name: name.into(), client: Client::Bare, observe: Observe::Nothing, traffic: self }
    }
}

const PHASES: Observe = Observe::Traces { share: 1.0, phases: true };
const TRACES: Observe = Observe::Traces { share: 1.0, phases: false };

/// Measured on `OutboundClient`, and with the prefix `layers_` on hyper-util's client.
const OURS: [(&str, Observe, Traffic); 15] = [
    ("none", Observe::Nothing, Traffic::Warm),
    ("metrics", Observe::Metrics, Traffic::Warm),
    ("traces_1", Observe::Traces { share: 0.01, phases: true }, Traffic::Warm),
    ("traces_100", TRACES, Traffic::Warm),
    ("traces_100_phases", PHASES, Traffic::Warm),
    ("pipeline_100_phases", Observe::Pipeline { gzip: false }, Traffic::Warm),
    ("pipeline_gzip", Observe::Pipeline { gzip: true }, Traffic::Warm),
    ("cold_100", PHASES, Traffic::Cold),
    ("tls_none", Observe::Nothing, Traffic::Tls),
    ("tls_traces_100", TRACES, Traffic::Tls),
    ("h2_none", Observe::Nothing, Traffic::H2),
    ("h2_metrics", Observe::Metrics, Traffic::H2),
    ("h2_traces_100", TRACES, Traffic::H2),
    ("frames_up", Observe::Nothing, Traffic::FramesUp),
    ("frames_down", Observe::Nothing, Traffic::FramesDown),
];

/// What people use instead.
const PEERS: [(&str, Client); 2] =
    [("peer_tracelayer", Client::TraceLayer), ("peer_tower_otel", Client::TowerOtel)];

/// Every setting but the bases, in the order of the tables.
pub(crate) fn all() -> Vec<Setting> {
    let ours = |client: Client, prefix: &'static str| {
        OURS.map(|(name, observe, traffic)| Setting {
            name: format!("{prefix}{name}"),
            client,
            observe,
            traffic,
        })
    };
    let peers = PEERS.map(|(name, client)| Setting {
        name: name.into(),
        client,
        observe: Observe::Otlp,
        traffic: Traffic::Warm,
    });
    ours(Client::Outbound, "").into_iter().chain(peers).chain(ours(Client::Layers, "layers_")).collect()
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
        .chain(all())
        .chain(bursts())
        .find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn setting_names_are_distinct_and_found() {
        let names: Vec<String> = all()
            .into_iter()
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
