//! 64 workers share 4 connections to a server that answers every tenth request with 429 and `Retry-After: 1`.
//!
//! Three times, with stacks that differ in what becomes of the 429 while its request waits to be sent again: it is
//! released before the wait (tower-outbound's retry layer), held during the wait, or dropped undrained (tower's).

mod cli;
mod load;
mod progress;
mod report;
mod server;
mod stacks;
mod watch;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

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
    let report = Report {
        released: Run::of("released", cli.seconds, released::client).await?,
        held: Run::of("held", cli.seconds, held::client).await?,
        dropped: Run::of("dropped", cli.seconds, dropped::client).await?,
    };
    // A reader that has had enough (`| head`) is an error here; `println!` would panic.
    let mut out = io::stdout().lock();
    match cli.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&Json::new(&report))?)?,
        false => write!(out, "{report}")?,
    }
    for warning in report.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(())
}
