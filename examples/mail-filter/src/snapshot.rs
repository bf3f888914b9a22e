//! One configuration, and the clients that are made of it.

use tower_outbound::{BoxError, OutboundClient};

use crate::config::Config;
use crate::storage::Storage;

/// What a message sees of the settings, from its beginning to its end. Dropped after the last message that has it.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) config: Config,
    pub(crate) storage: Storage,
}

impl Snapshot {
    pub(crate) fn new(config: Config, client: &OutboundClient) -> Result<Self, BoxError> {
        let storage = Storage::new(&config, client)?;
        Ok(Self { config, storage })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}
