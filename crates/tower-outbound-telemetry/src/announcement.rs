//! What the pipeline logs of itself, once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing::dispatcher::{Dispatch, get_default};
use tracing::subscriber::NoSubscriber;

use crate::Warning;

const TARGET: &str = "tower_outbound_telemetry";

/// The warnings, and where telemetry is exported to.
///
/// Logged at the start. An application that adds the pipeline's layer to its subscriber has none until then: it is logged
/// with the first export after that, or at the end.
#[derive(Debug, Default)]
pub(crate) struct Announcement {
    text: OnceLock<Text>,
    logged: AtomicBool,
}

#[derive(Debug)]
struct Text {
    warnings: Vec<Warning>,
    destinations: [String; 2],
}

impl Announcement {
    /// Sets the text, and logs it if there is a subscriber.
    pub(crate) fn of(&self, warnings: &[Warning], destinations: [String; 2]) {
        let _ = self.text.set(Text { warnings: warnings.to_vec(), destinations });
        self.log();
    }

    /// Logs the text, unless it is logged already or there is no subscriber.
    pub(crate) fn log(&self) {
        let Some(text) = self.text.get() else { return };
        if get_default(Dispatch::is::<NoSubscriber>) || self.logged.swap(true, Relaxed) {
            return;
        }
        for warning in &text.warnings {
            tracing::warn!(target: TARGET, "{warning}");
        }
        let [traces, metrics] = &text.destinations;
        tracing::info!(target: TARGET, traces, metrics, "telemetry is exported");
    }
}
