//! The programs that count.

use std::process::{Command, Stdio};

use crate::Fallible;

const TOOLS: [&str; 3] = ["valgrind", "strace", "objdump"];

/// Whether all are there. Says what is missing.
///
/// # Errors
/// If one is missing and `CI=true`.
pub(crate) fn present() -> Fallible<bool> {
    let missing: Vec<_> = TOOLS.into_iter().filter(|tool| !runs(tool)).collect();
    if missing.is_empty() {
        return Ok(true);
    }
    let missing =
        format!("nothing is counted without {}: install valgrind, strace and binutils", missing.join(", "));
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        return Err(missing.into());
    }
    eprintln!("{missing}");
    Ok(false)
}

fn runs(tool: &str) -> bool {
    let mut version = Command::new(tool);
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}
