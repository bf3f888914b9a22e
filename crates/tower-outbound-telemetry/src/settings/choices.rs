//! What the code decides.

use std::time::Duration;

use opentelemetry::KeyValue;

/// Returns the value of a variable.
pub(crate) type Lookup = dyn Fn(&str) -> Option<String> + Send;

/// Default of [`TelemetryBuilder::shutdown_timeout`](crate::TelemetryBuilder::shutdown_timeout).
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest timeout: 2^31 − 1 ms, as for the variables.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);
/// The timeout of flushing one signal.
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The protocol of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpProtocol {
    /// `grpc`; port 4317 by default.
    Grpc,
    /// `http/protobuf`; port 4318 by default.
    HttpProtobuf,
    /// `http/json`; port 4318 by default. Larger and slower than protobuf.
    HttpJson,
}

/// The compression of OTLP requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The choices of the code. Protocol and endpoint replace variables.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) service: String,
    pub(crate) protocol: Option<OtlpProtocol>,
    pub(crate) endpoint: Option<String>,
    pub(crate) resource: Vec<KeyValue>,
}

impl Choices {
    pub(crate) fn new(service: String) -> Self {
        Self { service, protocol: None, endpoint: None, resource: Vec::new() }
    }
}
