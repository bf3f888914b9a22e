//! Opens an attempt for each request, enters its scope at every poll, and ends it with the body.

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
