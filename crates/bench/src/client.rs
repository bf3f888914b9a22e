//! The client's process.

use std::process::Command;

use crate::Fallible;
use crate::contenders;
use crate::core;
use crate::load::{Outcome, Plan, Run, Spans};
use crate::scaling;
use crate::server::Server;
use crate::settings::{self, Observe, Setting};

/// Runs a client: `command` is the program, maybe under another one.
///
/// # Errors
/// If it fails, or a span was made and not exported or received.
pub(crate) fn run(
    command: &mut Command,
    setting: &Setting,
    plan: Plan,
    server: &Server,
) -> Fallible<Outcome> {
    let (outcome, received) = received(command, setting, plan, server)?;
    let Spans { made, exported } = outcome.spans;
    if made != exported || exported != received {
        return Err(format!("spans lost: {made} made, {exported} exported, {received} received").into());
    }
    if made > 0 {
        eprintln!("{}: {made} spans made = exported = received", setting.name);
    }
    Ok(outcome)
}

/// Runs a client, and counts the spans that the receiver got.
pub(crate) fn received(
    command: &mut Command,
    setting: &Setting,
    plan: Plan,
    server: &Server,
) -> Fallible<(Outcome, u64)> {
    let before = server.received()?;
    let addresses = serde_json::to_string(&server.addresses)?;
    let output =
        command.args(["client", &setting.name, &serde_json::to_string(&plan)?, &addresses]).output()?;
    if !output.status.success() {
        return Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    let outcome: Outcome = serde_json::from_slice(&output.stdout)?;
    // An exporter that sends nothing has received what it was given.
    let sent = matches!(setting.observe, Observe::Pipeline { .. } | Observe::Otlp);
    let received = if sent { server.received()? - before } else { outcome.spans.exported };
    Ok((outcome, received))
}

/// The client's process: sends the requests and prints its [`Outcome`] as JSON.
pub(crate) fn client(setting: &str, plan: &str, to: &str) -> Fallible<()> {
    let setting = settings::named(setting).ok_or("no such setting")?;
    let run = Run { setting, plan: serde_json::from_str(plan)?, to: serde_json::from_str(to)? };
    let threads = run.plan.threads();
    if threads == 1 && !matches!(run.plan, Plan::Count(_)) {
        core::stay_on(0)?;
    }
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build()?;
    println!("{}", serde_json::to_string(&runtime.block_on(contenders::run(&run)))?);
    // Without the shutdown of providers, which is no part of it.
    std::process::exit(0)
}

/// The client's process for a measurement among many.
pub(crate) fn scale(plan: &str, to: &str) -> Fallible<()> {
    let (plan, to) = (serde_json::from_str(plan)?, serde_json::from_str(to)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(scaling::run(plan, &to));
    std::process::exit(0)
}
