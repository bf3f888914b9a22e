//! The whole client: hyper-util's, with TLS and every layer in its place.

mod body;
mod builder;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod client;
mod future;
mod tls;
mod uri;

pub use self::body::{RequestBody, ResponseBody};
pub use self::builder::ClientBuilder;
pub use self::client::OutboundClient;
pub use self::future::ClientFuture;
pub use self::tls::TlsProvider;
/// The TLS library whose types the client's options take.
pub use rustls;
