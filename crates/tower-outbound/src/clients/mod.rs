//! What a client needs to be put under the layers, a folder for each.

#[cfg(feature = "reqwest")]
mod reqwest;

#[cfg(feature = "reqwest")]
pub use self::reqwest::{
    ReqwestBody, ReqwestClient, ReqwestClientFuture, ReqwestConnecting, ReqwestConnector,
    ReqwestConnectorLayer, ReqwestFuture, ReqwestResolver, ReqwestService,
};
