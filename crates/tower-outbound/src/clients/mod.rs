//! What a client needs to be put under the layers: adapters for those that are no services, or name no connection.

mod handshake;
mod hyper;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "tonic-channel")]
mod tonic;

pub use self::handshake::{Handshake, HandshakeFuture, HandshakeHttp1, HandshakeHttp2, HandshakeLayer};
pub use self::hyper::{HyperFuture, HyperService};
#[cfg(feature = "reqwest")]
pub use self::reqwest::{
    ReqwestBody, ReqwestClient, ReqwestClientFuture, ReqwestConnecting, ReqwestConnector,
    ReqwestConnectorLayer, ReqwestFuture, ReqwestResolver, ReqwestService,
};
#[cfg(feature = "tonic-channel")]
pub use self::tonic::{TonicBody, TonicBuilder, TonicChannel, TonicFuture};
