//! gRPC: the messages, and the clients and servers that `build.rs` generates.

pub(crate) use self::prices::{prices_client, prices_server};
pub(crate) use self::twin::{twin_client, twin_server};

/// The request of both services.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Item {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// The response of the gRPC upstream.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Price {
    #[prost(uint32, tag = "1")]
    pub(crate) cents: u32,
    /// The `traceparent` that the upstream received.
    #[prost(string, tag = "2")]
    pub(crate) seen: String,
}

/// The response of the twin.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Quote {
    #[prost(uint32, tag = "1")]
    pub(crate) cents: u32,
    /// The `traceparent` that each upstream received.
    #[prost(string, repeated, tag = "2")]
    pub(crate) seen: Vec<String>,
}

#[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::must_use_candidate, reason = "generated")]
mod twin {
    include!(concat!(env!("OUT_DIR"), "/gateway.Twin.rs"));
}

#[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::must_use_candidate, reason = "generated")]
mod prices {
    include!(concat!(env!("OUT_DIR"), "/gateway.Prices.rs"));
}
