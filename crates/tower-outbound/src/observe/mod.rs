//! Opens an [`Exchange`](crate::Exchange) for each request, enters its scope at every poll, and ends it with the body.
//!
//! Unlike tower-http's `Trace`, it ends an exchange also where hyper never polls the body to its end, where
//! the caller drops it, and where the inner service panics; and it knows the connection that served.

mod body;
mod future;
mod layer;
mod request_body;
mod service;

pub use self::body::ObserveBody;
pub use self::future::ObserveFuture;
pub use self::layer::ObserveLayer;
pub use self::request_body::ObserveRequestBody;
pub use self::service::Observe;
