//! The progress bar.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws to stderr, and only if that is a terminal.
pub(crate) fn bar(name: &'static str, requests: u64) -> ProgressBar {
    let target = match stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{msg:8} {bar:50} {pos:>5} of {len} requests  {elapsed}");
    let bar = ProgressBar::with_draw_target(Some(requests), target).with_message(name);
    // The template is valid; the default bar is the fallback.
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
