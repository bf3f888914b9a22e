//! The progress bar.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws to stderr, and only if that is a terminal.
pub(crate) fn bar(quiet: bool) -> ProgressBar {
    let target = match quiet || !stderr().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let style = ProgressStyle::with_template("{msg:10} {bar:60} {percent:>3} %  {elapsed}");
    let bar = ProgressBar::with_draw_target(None, target);
    // The template is valid; the default bar is the fallback.
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
