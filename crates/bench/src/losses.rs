//! Spans lost at full load: nobody waits for the exporter, and nothing is exported but what it exports itself.

use std::process::Command;

use serde::Serialize;

use crate::Fallible;
use crate::client;
use crate::load::Plan;
use crate::server::Server;
use crate::settings::Setting;

const SECONDS: u64 = 5;

/// Of one setting.
#[derive(Debug, Serialize)]
pub(crate) struct Losses {
    pub(crate) setting: String,
    pub(crate) requests_per_second: f64,
    pub(crate) spans_per_second: f64,
    pub(crate) made: u64,
    pub(crate) received: u64,
    pub(crate) lost_percent: f64,
}

/// Each setting for some seconds. One thread shares its core with the exporter's.
pub(crate) fn all(settings: &[Setting], threads: usize) -> Fallible<Vec<Losses>> {
    let program = std::env::current_exe()?;
    let server = Server::start(Command::new(&program))?;
    let mut losses = Vec::with_capacity(settings.len());
    for setting in settings {
        let plan = Plan::Load { seconds: SECONDS, threads };
        let (outcome, received) = client::received(&mut Command::new(&program), setting, plan, &server)?;
        let load = outcome.load.ok_or("a load without figures")?;
        let made = outcome.spans.made;
        losses.push(Losses {
            setting: setting.name.clone(),
            requests_per_second: load.requests as f64 / load.seconds,
            spans_per_second: made as f64 / load.seconds,
            made,
            received,
            lost_percent: 100.0 * made.saturating_sub(received) as f64 / made.max(1) as f64,
        });
    }
    Ok(losses)
}
