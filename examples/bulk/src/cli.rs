//! The command line.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// Measures what it is worth to release a connection before the backoff.
///
/// 64 workers share 4 connections and send 10,000 requests to a server in this process, which answers every tenth with
/// 429 and `Retry-After: 1`. Three stacks run in turn: they release the 429 before the wait, hold it, or drop it unread.
/// Their telemetry goes to OTEL_EXPORTER_OTLP_ENDPOINT, if that is set.
#[derive(Debug, Parser)]
#[command(name = "bulk", version)]
pub(crate) struct Cli {
    /// Time limit of each of the three runs, in whole seconds.
    #[arg(long, value_name = "N", default_value = "30", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) seconds: Duration,

    /// Measure something else: all pooled connections go silent at once. Throughput over six seconds with recovery, with a
    /// call of `reset()`, and with neither.
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) break_pool: bool,

    /// Print the report as JSON, and nothing else, to stdout.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cli {
    /// Parses the command line. `Err` is the exit code, after the error or the help was printed.
    pub(crate) fn read() -> Result<Cli, ExitCode> {
        Cli::try_parse().map_err(|error| {
            // If this fails, there is no other place to report to.
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
