//! Measures what it is worth to release a connection before the backoff.
//!
//! 64 workers share 4 connections to a server that answers every tenth request with 429 and `Retry-After: 1`. Three
//! stacks run in turn. They release the 429 before the wait (the retry layer of tower-outbound), hold it during the
//! wait, or drop it unread (tower's `Retry`). If `OTEL_EXPORTER_OTLP_ENDPOINT` names a receiver, it gets the telemetry of
//! each, as the services `bulk-released`, `bulk-held` and `bulk-dropped`.
//!
//! `--break-pool` shows what becomes of a pool whose connections all go silent at once.

mod break_pool;
mod cli;
mod load;
mod progress;
mod report;
mod server;
mod stacks;
mod telemetry;
mod watch;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::Cli;
use crate::report::{Json, Report};
use crate::stacks::{Run, dropped, held, released};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    if cli.break_pool {
        let report = break_pool::Report::measure().await?;
        return print(cli, &report, &report);
    }
    let report = Report {
        released: Run::of("released", cli.seconds, released::client).await?,
        held: Run::of("held", cli.seconds, held::client).await?,
        dropped: Run::of("dropped", cli.seconds, dropped::client).await?,
    };
    print(cli, &report, &Json::new(&report))?;
    for warning in report.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

fn print(cli: &Cli, text: &impl Display, json: &impl Serialize) -> Result<(), Box<dyn Error>> {
    // A closed pipe (`| head`) is an error; `println!` would panic.
    let mut out = io::stdout().lock();
    match cli.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(json)?)?,
        false => write!(out, "{text}")?,
    }
    Ok(())
}
