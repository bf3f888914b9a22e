//! reqwest under the layers.
//!
//! Its connector cannot be wrapped below the IO, and names no connection in a response but by its two socket
//! addresses. The connector layer sees them too when a connection is new: so they are its identity.

mod client;
mod connector;
mod future;
mod resolver;
mod response;
mod service;

pub use self::client::ReqwestClient;
pub use self::connector::{ReqwestConnecting, ReqwestConnector, ReqwestConnectorLayer};
pub use self::future::ReqwestFuture;
pub use self::resolver::ReqwestResolver;
pub use self::response::{ReqwestBody, ReqwestClientFuture};
pub use self::service::ReqwestService;
