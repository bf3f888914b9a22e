//! Lets each setting fight its duels, in processes of their own.

use std::collections::BTreeMap;
use std::process::Command;

use super::results::Results;
use crate::Fallible;
use crate::client;
use crate::load::Plan;
use crate::server::Server;
use crate::settings::Setting;

/// Of a duel.
const TURNS: usize = 31;

/// So many duels of each setting, round by round. Settings that lost a span are returned as errors.
pub(crate) fn all(settings: &[Setting], duels: usize, threads: usize) -> Fallible<(Results, Vec<String>)> {
    let program = std::env::current_exe()?;
    let server = Server::start(Command::new(&program))?;
    let plan = Plan::Duel { turns: TURNS, threads };
    let (mut fought, mut failed) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for round in 0..duels {
        for setting in settings {
            let client = &mut Command::new(&program);
            match client::run(client, setting, plan, &server) {
                Ok(outcome) => fought.entry(setting.name.clone()).or_default().extend(outcome.duel),
                Err(error) => failed.push(format!("{}: {error}", setting.name)),
            }
        }
        eprintln!("round {} of {duels}", round + 1);
    }
    Ok((Results::new(&fought), failed))
}
