//! Failures as the log and the metrics name them.

use std::error::Error;

use tower_outbound::Failure;

/// What is no failure of the network, such as a full queue.
const OTHER: &str = "other";

/// `timeout`, `connection_refused`, `connection_reset` or `network_error`, however deeply the error is wrapped.
#[must_use]
pub fn error_type(error: &(dyn Error + 'static)) -> &'static str {
    Failure::of(error).class().map_or(OTHER, |class| class.as_str())
}

/// The error and its sources, in one line. Libraries repeat a source in the text above it.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let this = error.to_string();
        if !text.contains(&this) {
            text = format!("{text}: {this}");
        }
        source = error.source();
    }
    text
}
