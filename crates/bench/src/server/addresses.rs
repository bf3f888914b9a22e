use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where the server listens. It travels from process to process as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// HTTP/1.
    pub(crate) plain: SocketAddr,
    /// HTTP/1 over TLS.
    pub(crate) tls: SocketAddr,
    /// HTTP/2 with prior knowledge.
    pub(crate) h2: SocketAddr,
    /// OTLP over gRPC.
    pub(crate) receiver: SocketAddr,
    /// OTLP over HTTP.
    pub(crate) http_receiver: SocketAddr,
    /// Each connection here is told how many spans the receiver has got, as text.
    pub(crate) received: SocketAddr,
    /// The one to trust, as DER.
    pub(crate) certificate: Vec<u8>,
}
