//! The observe layer: one [`Attempt`](crate::Attempt) per request, to the end of the response's body.

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
