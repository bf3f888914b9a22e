//! Other settings while the service runs.

use std::sync::{Arc, Mutex, PoisonError};

use super::Outbound;
use crate::settings::{FileError, Settings, Sources, StackSettings};

/// The settings in force, and what the code has set in the builder.
#[derive(Debug)]
pub(super) struct Live {
    code: StackSettings,
    in_force: Mutex<Settings>,
}

impl Live {
    /// Returns the settings that the stack begins with too.
    pub(super) fn new(code: StackSettings, given: Option<&Settings>) -> (Arc<Self>, StackSettings) {
        let settings = given.cloned().unwrap_or_default().over(&code);
        if given.is_some() {
            settings.log_all();
        }
        let stack = settings.stack().clone();
        (Arc::new(Self { code, in_force: Mutex::new(settings) }), stack)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "settings")))]
impl Outbound {
    /// The settings in force, and where each value came from. The options that a client's own builder or a layer's own
    /// methods have set are not among them.
    pub fn settings(&self) -> Settings {
        self.live.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes other settings while the service runs: limits, timeouts and retries of every client.
    ///
    /// Requests follow them from the next one on; those in flight keep theirs. No request fails because a limit is smaller
    /// now: connections above it finish what they do and are not used again, idle ones close now, and slots are not granted
    /// until enough have come back. What a larger limit allows, waiting requests get at once.
    ///
    /// What the code has set holds: a value that the methods of [`OutboundBuilder`](super::OutboundBuilder) have set gives
    /// way only to one that these settings have from the code too; what the builder of a client or of a pool has set, and a
    /// layer with options of its own, stay as they are. In a client with a pool of its own, the options of the pool stay:
    /// hyper-util's and reqwest's idle timeout, PINGs, and the connect timeout of a tonic channel.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    /// use tower_outbound::settings::Settings;
    ///
    /// let outbound = Outbound::new();
    /// outbound.apply(&Settings::new().max_connections_per_origin(20).max_retries(0));
    /// ```
    pub fn apply(&self, settings: &Settings) {
        let mut in_force = self.live.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = settings.over(&self.live.code);
        settings.log_changes(&in_force);
        self.registry.apply(settings.stack().clone());
        // Requests that wait for a slot get what a larger limit allows.
        self.in_flight.refresh();
        *in_force = settings;
    }

    /// Reads the sources again, and [applies](Self::apply) what they have. Blocks while it reads the file.
    ///
    /// The metric `outbound.config.reload` counts both outcomes, and each is a line in the log.
    ///
    /// # Errors
    /// The file cannot be read or parsed: the settings in force stay.
    pub fn reload(&self, sources: &Sources) -> Result<(), FileError> {
        let result = sources.reload(&self.settings()).map(|settings| self.apply(&settings));
        self.registry.reloaded(result.as_ref().err());
        result
    }
}
