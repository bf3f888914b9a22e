//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// An axum service that calls upstreams through tower-outbound, and a report of where its requests' time went.
///
/// With nothing else installed it starts an upstream and an OTLP receiver of its own, drives traffic through the
/// service and prints what the receiver received. With OTEL_EXPORTER_OTLP_ENDPOINT it exports there instead.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub(crate) struct Cli {
    /// How long the concurrent stage lasts, in whole seconds: 5 unless set; with --soak 600.
    #[arg(long, value_name = "N", value_parser = seconds, allow_negative_numbers = true)]
    seconds: Option<Duration>,

    /// Print the report as JSON, alone on standard output.
    #[arg(long)]
    pub(crate) json: bool,

    /// Send one request into each of many faults instead, and print what is told of each.
    ///
    /// The exit code says whether each was told as crates/tower-outbound/src/docs/failures.md says.
    #[arg(long, conflicts_with_all = ["seconds", "serve", "listen"])]
    pub(crate) faults: bool,

    /// Restart the upstreams under steady load instead, and compare what is told with what they have logged.
    ///
    /// The exit code says whether it adds up. Uses nginx where that is installed; ctrl-c ends it early.
    #[arg(long, conflicts_with_all = ["faults", "serve"])]
    pub(crate) soak: bool,

    /// Of the restarts' schedule.
    #[arg(long, value_name = "N", default_value = "1", requires = "soak")]
    pub(crate) seed: u64,

    /// The least time between two restarts, in milliseconds; the longest is twice that.
    #[arg(long, value_name = "MS", default_value = "10000", value_parser = milliseconds, requires = "soak")]
    pub(crate) restart_every: Duration,

    /// Keep the service up after the report, until ctrl-c.
    #[arg(long)]
    pub(crate) serve: bool,

    /// Where the service listens; port 0 lets the system choose.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub(crate) listen: SocketAddr,
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

    /// How long it lasts.
    pub(crate) fn seconds(&self) -> Duration {
        self.seconds.unwrap_or(Duration::from_secs(if self.soak { 600 } else { 5 }))
    }

    /// The exit code after `--listen` turned out to be unusable.
    pub(crate) fn cannot_listen(&self, error: &std::io::Error) -> ExitCode {
        eprintln!("error: cannot listen on '{}' for '--listen <ADDR>': {error}", self.listen);
        ExitCode::from(USAGE)
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err("not a whole number from 1 to 3600"),
    }
}

fn milliseconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(milliseconds @ 100..=3_600_000) => Ok(Duration::from_millis(milliseconds)),
        _ => Err("not a whole number from 100 to 3600000"),
    }
}
