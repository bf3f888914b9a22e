//! What a setting consists of.

use tower_outbound_telemetry::OtlpProtocol;

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
    /// hyper's connection, one for each worker, without a pool.
    Raw,
    /// A pool of 80 lines over hyper's connections, which does nothing but keep them.
    Lean,
    /// Five bound metrics and three spans by hand, around hyper-util's client.
    HandBare,
    /// The same around the pool of 80 lines.
    HandLean,
    /// `OutboundClient`.
    Outbound,
    /// Our layers around hyper-util's client, as the README builds it.
    Layers,
    /// A stack of tower with tower-http's `TraceLayer`.
    TraceLayer,
    /// The layers of tower-otel.
    TowerOtel,
    /// reqwest-middleware with its layers for retries and tracing, on reqwest.
    ReqwestMiddleware,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Observe {
    Nothing,
    /// Nothing, and retries are off.
    NothingOnce,
    /// Nothing, and each call has a deadline; with a header, each request says what is left.
    Deadline {
        header: bool,
    },
    /// Every default metric, without a tracer.
    Metrics,
    /// The metrics of `Metrics::Core`.
    CoreMetrics,
    /// Metrics and this share of traces, by the SDK's batch processor to an exporter that sends nothing.
    Traces {
        share: f64,
        phases: bool,
    },
    /// `Telemetry` with its defaults but the protocol: every trace and phase, sent to a receiver in another process.
    Pipeline {
        protocol: OtlpProtocol,
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
    /// 3 MiB in frames of 64 KiB as request.
    BigUp,
    /// 3 MiB as response.
    BigDown,
    /// As warm, so many requests at once, and the next when all have ended. Only in duels.
    Burst(usize),
}

impl Traffic {
    pub(crate) const ALL: [Self; 8] = [
        Self::Warm,
        Self::Cold,
        Self::Tls,
        Self::H2,
        Self::FramesUp,
        Self::FramesDown,
        Self::BigUp,
        Self::BigDown,
    ];

    /// The setting that the others with this traffic are compared with.
    pub(crate) fn base(self) -> Setting {
        let name = match self {
            Self::Warm | Self::Burst(_) => "bare",
            Self::Cold => "bare_cold",
            Self::Tls => "bare_tls",
            Self::H2 => "bare_h2",
            Self::FramesUp => "bare_frames_up",
            Self::FramesDown => "bare_frames_down",
            Self::BigUp => "bare_big_up",
            Self::BigDown => "bare_big_down",
        };
        Setting { name: name.into(), client: Client::Bare, observe: Observe::Nothing, traffic: self }
    }
}
