//! The command line.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// Many workers on few connections to a server that answers 429: what it is worth to give a connection back before
/// the wait.
///
/// 64 workers share 4 connections and send 10,000 requests to a server inside, which answers every tenth with 429 and
/// `Retry-After: 1`: once with a stack that releases the 429 before it waits, once with one that holds it, once with
/// one that drops it undrained.
#[derive(Debug, Parser)]
#[command(name = "bulk", version)]
pub(crate) struct Cli {
    /// How long each of the three may take, in whole seconds; what is not sent by then is not sent.
    #[arg(long, value_name = "N", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) seconds: Duration,

    /// Print the report as JSON, alone on standard output.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cli {
    /// The command line, or the exit code after its fault or the help was printed.
    pub(crate) fn read() -> Result<Cli, ExitCode> {
        Cli::try_parse().map_err(|error| {
            // Nobody is left to tell if this fails.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        })
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("not a whole number from 1 to 3600"),
    }
}
