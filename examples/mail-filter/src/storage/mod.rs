//! Where large messages go.

mod http;
mod s3;

use tower_outbound::{BoxError, OutboundClient};

use crate::Message;
use crate::config::{Config, StorageConfig};

/// A client of the storage, as one configuration has it.
#[derive(Debug)]
pub(crate) enum Storage {
    Http(self::http::Http),
    S3(self::s3::S3),
}

impl Storage {
    /// The client of this configuration. It sends through `client`, and keeps no connection of its own.
    pub(crate) fn new(config: &Config, client: &OutboundClient) -> Result<Self, BoxError> {
        match &config.storage {
            StorageConfig::Http { url, token } => {
                Ok(Self::Http(self::http::Http::new(client.clone(), url.clone(), token.clone())))
            }
            StorageConfig::S3(config) => Ok(Self::S3(self::s3::S3::new(client.clone(), config)?)),
        }
    }

    /// Uploads the message. Returns where it is.
    pub(crate) async fn upload(&self, message: &Message) -> Result<String, BoxError> {
        match self {
            Self::Http(http) => http.upload(message).await,
            Self::S3(s3) => s3.upload(message).await,
        }
    }
}
