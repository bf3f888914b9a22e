//! The client's process.

use std::process::Command;

use crate::Fallible;
use crate::contenders;
use crate::core;
use crate::load::{Outcome, Plan, Run};
use crate::server::Server;
use crate::settings::{self, Observe, Setting};

/// Runs a client: `command` is the program, maybe under another one. Compares the spans that were made, exported and
/// received.
pub(crate) fn run(
    command: &mut Command,
    setting: &Setting,
    plan: Plan,
    server: &Server,
) -> Fallible<Outcome> {
    let before = server.received()?;
    let addresses = serde_json::to_string(&server.addresses)?;
    let output =
        command.args(["client", &setting.name, &serde_json::to_string(&plan)?, &addresses]).output()?;
    if !output.status.success() {
        return Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
    let (made, exported) = (outcome.spans.made, outcome.spans.exported);
    // An exporter that sends nothing has received what it was given.
    let sent = matches!(setting.observe, Observe::Pipeline { .. } | Observe::Otlp);
    let received = if sent { server.received()? - before } else { exported };
    if made != exported || exported != received {
        return Err(format!("spans lost: {made} made, {exported} exported, {received} received").into());
    }
    if made > 0 {
        eprintln!("{}: {made} spans made = exported = received", setting.name);
    }
    Ok(outcome)
}

/// The client's process: sends the requests and prints its [`Outcome`] as JSON.
pub(crate) fn client(setting: &str, plan: &str, to: &str) -> Fallible<()> {
    let setting = settings::named(setting).ok_or("no such setting")?;
    let run = Run { setting, plan: serde_json::from_str(plan)?, to: serde_json::from_str(to)? };
    if matches!(run.plan, Plan::Duel(_)) {
        core::stay_on(0)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", serde_json::to_string(&runtime.block_on(contenders::run(&run)))?);
    // Without the shutdown of providers, which is no part of it.
    std::process::exit(0)
}
