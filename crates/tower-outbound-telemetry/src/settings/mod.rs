//! Reads the `OTEL_*` variables.
//!
//! The SDK and the exporters get every setting explicitly and read no environment.

mod batch;
mod choices;
mod destinations;
mod endpoint;
mod headers;
mod limits;
mod metrics;
mod propagators;
mod reader;
mod resolve;
mod resource;
mod sampler;
mod tls;
mod unsupported;
mod variables;

#[cfg(test)]
mod any_value;
#[cfg(test)]
mod table;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use self::batch::Batch;
pub use self::choices::OtlpProtocol;
pub(crate) use self::choices::{
    Choices, Compression, FLUSH_TIMEOUT, LONGEST_TIMEOUT, Lookup, SHUTDOWN_TIMEOUT,
};
pub(crate) use self::destinations::Export;
pub(crate) use self::resolve::Settings;
pub(crate) use self::tls::Tls;
