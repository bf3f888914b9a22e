//! The settings of the service: a TOML file and the environment, of which the file wins.
//!
//! A broken value never stops a running service: a warning names key, value, source and what is used instead. At start the
//! next source counts that has a valid value, on a reload the value in force. Only the URLs have no default: without them
//! the service does not start.

mod error;
mod keys;
mod parse;
mod reader;
mod secret;
mod source;

use std::time::Duration;

use tower_outbound::pool::WhenFull;
use tower_outbound::settings::{Settings, Sources};

pub use self::error::ConfigError;
pub use self::secret::Secret;
pub use self::source::ConfigSource;

/// The variables of this service that begin as those of `tower_outbound` do.
const OWN: [&str; 3] =
    ["OUTBOUND_HTTP_POOL_MAXSIZE", "OUTBOUND_HTTP_CONNECT_TIMEOUT", "OUTBOUND_HTTP_READ_TIMEOUT"];

/// What the service does, and with whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whom it asks.
    pub webhook_url: String,
    /// For `Authorization: Bearer`.
    pub webhook_token: Option<Secret>,
    /// Where large messages go.
    pub storage: StorageConfig,
    /// Above this size a message is uploaded. Zero: always.
    pub storage_upload_threshold: u64,
    /// Connections of one host that are kept. More are opened if they are needed, and not kept.
    pub pool_maxsize: usize,
    /// DNS, TCP and TLS together. Zero: no timeout.
    pub connect_timeout: Duration,
    /// Until the first byte of an answer, and between two parts of it. Zero: no timeout.
    pub read_timeout: Duration,
}

/// A storage.
#[derive(Clone, Debug, PartialEq)]
pub enum StorageConfig {
    /// `PUT {url}/{id}`.
    Http {
        /// Without a slash at its end.
        url: String,
        /// For `Authorization: Bearer`.
        token: Option<Secret>,
    },
    /// `s3://bucket/prefix`.
    S3(S3Config),
}

/// An S3 storage.
#[derive(Clone, Debug, PartialEq)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// The prefix of every key; may be empty.
    pub prefix: String,
    /// Another server than that of AWS.
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// With the secret, what signs each request.
    pub access_key_id: Option<String>,
    /// See [`access_key_id`](Self::access_key_id).
    pub secret_access_key: Option<Secret>,
}

impl StorageConfig {
    /// As a file has it.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Http { url, .. } => url.clone(),
            Self::S3(s3) => format!("s3://{}/{}", s3.bucket, s3.prefix).trim_end_matches('/').to_owned(),
        }
    }
}

impl Config {
    /// Whether a message of this size is uploaded.
    #[must_use]
    pub fn uploads(&self, size: usize) -> bool {
        self.storage_upload_threshold == 0 || size as u64 > self.storage_upload_threshold
    }

    /// The options of the client: this service's keys, then the table `outbound` of the file, then the variables.
    fn sources(&self, source: &ConfigSource) -> Sources {
        let code = Settings::new()
            // A POST that may have arrived is never sent again.
            .retry_connect_only(true)
            .max_retries(1)
            // A burst rather pays a handshake than waits.
            .when_full(WhenFull::Overflow)
            .max_connections_per_origin(self.pool_maxsize)
            .max_idle_per_origin(self.pool_maxsize)
            .connect_timeout(self.connect_timeout)
            .first_byte_timeout(self.read_timeout)
            .body_idle_timeout(self.read_timeout);
        let mut sources = Sources::new().section("outbound").file_over_environment().ignore(OWN).code(code);
        if let Some(path) = source.path() {
            sources = sources.file(path);
        }
        match source.given_variables() {
            Some(variables) => sources.variables(variables.to_vec()),
            None => sources,
        }
    }
}
