//! [`OutboundClient`]: a pool with TLS and every layer in its place.
//!
//! [`ClientBody`] is also the response's body of the clients of reqwest and tonic.

mod body;
#[cfg(feature = "client")]
mod builder;
#[cfg(feature = "client")]
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod client;
mod collect;
mod future;
#[cfg(feature = "client")]
mod pending;
#[cfg(feature = "client")]
mod request_body;
#[cfg(feature = "client")]
mod roots;
#[cfg(feature = "client")]
mod shared;
#[cfg(feature = "client")]
mod tls;
#[cfg(feature = "client")]
mod uri;

pub use self::body::ClientBody;
pub(crate) use self::future::client_future;

#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use self::{
    builder::ClientBuilder, client::OutboundClient, pending::ClientFuture, request_body::RequestBody,
    tls::TlsProvider,
};

/// The body of an [`OutboundClient`]'s response.
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub type ResponseBody = ClientBody<crate::pool::PoolBody>;

/// The TLS library whose types the client's options take.
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use rustls;
