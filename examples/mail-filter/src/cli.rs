//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// `EX_USAGE` of sysexits.h.
pub const USAGE: u8 = 64;

/// A mail filter: it uploads large messages to storage, and asks a webhook for the verdict.
///
/// POST a message to /messages; GET /metrics is a page for Prometheus. SIGHUP reads the settings again. The log is JSON
/// lines on standard error, filtered by RUST_LOG. With --seconds, it drives itself instead: with peers, faults and reloads
/// of its own.
#[derive(Debug, Parser)]
#[command(name = "mail-filter", version)]
pub struct Cli {
    /// The settings, a TOML file. Default: the environment alone.
    #[arg(long, value_name = "FILE", conflicts_with = "seconds")]
    pub config: Option<PathBuf>,

    /// Address of the service. The system chooses a free port for port 0.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8025)), conflicts_with = "seconds")]
    pub listen: SocketAddr,

    /// Drive the service for this long, in whole seconds, and compare its verdicts with the logs of its peers.
    ///
    /// The exit code says whether they agree.
    #[arg(long, value_name = "N", value_parser = seconds, allow_negative_numbers = true)]
    pub seconds: Option<Duration>,

    /// Print the report as JSON, and nothing else, to stdout.
    #[arg(long, requires = "seconds")]
    pub json: bool,

    /// Turn this number of verdicts round: the report must find them.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "seconds", hide = true)]
    pub plant_wrong: u64,

    /// Accept this number of messages without doing anything.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "seconds", hide = true)]
    pub plant_lost: u64,

    /// Deliver this number of messages twice.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "seconds", hide = true)]
    pub plant_twice: u64,
}

impl Cli {
    /// Parses the command line. `Err` is the exit code, after the error or the help was printed.
    ///
    /// # Errors
    /// The exit code.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
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
