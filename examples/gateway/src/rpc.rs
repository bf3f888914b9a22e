//! gRPC: the messages, and the clients and servers that `build.rs` makes.

pub(crate) use self::prices::{prices_client, prices_server};
pub(crate) use self::twin::{twin_client, twin_server};

/// What is asked for.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Item {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// What the upstream on gRPC knows of an item.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Price {
    #[prost(uint32, tag = "1")]
    pub(crate) cents: u32,
    /// The `traceparent` that it saw.
    #[prost(string, tag = "2")]
    pub(crate) seen: String,
}

/// What the twin makes of both its upstreams' answers.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Quote {
    #[prost(uint32, tag = "1")]
    pub(crate) cents: u32,
    /// The `traceparent` that each upstream saw.
    #[prost(string, repeated, tag = "2")]
    pub(crate) seen: Vec<String>,
}

#[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::must_use_candidate)]
mod twin {
    include!(concat!(env!("OUT_DIR"), "/gateway.Twin.rs"));
}

#[allow(missing_docs, unreachable_pub, clippy::pedantic, clippy::must_use_candidate)]
mod prices {
    include!(concat!(env!("OUT_DIR"), "/gateway.Prices.rs"));
}
