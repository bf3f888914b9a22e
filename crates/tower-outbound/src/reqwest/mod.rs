//! reqwest with every layer that it supports: [`Outbound::reqwest`](crate::Outbound::reqwest).
//!
//! reqwest does not allow its IO to be wrapped, so its connections are not tracked. A response has the socket addresses of
//! its connection, and the connector layer sees the addresses of each new connection. The pair of addresses identifies
//! the connection.

mod client;
mod connector;
mod error;
mod future;
mod request_builder;
mod resolver;
mod response;
mod service;

pub use self::client::ReqwestClient;
pub use self::connector::{ReqwestConnecting, ReqwestConnector, ReqwestConnectorLayer};
pub use self::future::ReqwestFuture;
pub use self::request_builder::ReqwestRequestBuilder;
pub use self::resolver::ReqwestResolver;
pub use self::response::{ReqwestBody, ReqwestClientFuture};
pub use self::service::ReqwestService;
