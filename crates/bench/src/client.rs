//! The client's process.

use std::process::Command;

use crate::Fallible;
use crate::contenders;
use crate::load::{Run, Spans};
use crate::server::Addresses;
use crate::settings::{self, Setting};

/// Runs a client: `command` is the program, maybe under another one.
pub(crate) fn run(
    command: &mut Command,
    setting: &Setting,
    to: &Addresses,
    requests: usize,
) -> Fallible<Spans> {
    command.args(["client", &setting.name, &requests.to_string(), &serde_json::to_string(to)?]);
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The client's process: sends the requests and prints its [`Spans`] as JSON.
pub(crate) fn client(setting: &str, requests: usize, to: &str) -> Fallible<()> {
    let setting = settings::named(setting).ok_or("no such setting")?;
    let run = Run { setting, to: serde_json::from_str(to)?, requests };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", serde_json::to_string(&runtime.block_on(contenders::run(&run)))?);
    // Without the shutdown of providers, which is no part of it.
    std::process::exit(0)
}
