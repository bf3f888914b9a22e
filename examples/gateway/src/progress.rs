//! The progress bar.

use std::io::{IsTerminal as _, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// On standard error, and only where somebody watches it.
pub(crate) fn bar(quiet: bool) -> ProgressBar {
    let target = match quiet || !stderr().is_terminal() {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let style = ProgressStyle::with_template("{msg:10} {bar:60} {percent:>3} %  {elapsed}");
    let bar = ProgressBar::with_draw_target(None, target);
    // The template is a constant; should it ever be refused, the default bar will do.
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
