//! The command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// A demonstration of tower-outbound: services, traffic, and a report of where the time of each request went.
///
/// It is not a template: to write a service, copy examples/axum. Everything runs in this process: an axum service, a
/// gRPC service, their upstreams, the caller and an OTLP receiver. The report shows what the receiver received.
/// OTEL_EXPORTER_OTLP_ENDPOINT names another receiver, which gets the same: the services `caller`, `gateway` and `twin`.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub(crate) struct Cli {
    /// Duration of the concurrent stage in whole seconds. Default: 5; with --soak 600.
    #[arg(long, value_name = "N", value_parser = seconds, allow_negative_numbers = true)]
    seconds: Option<Duration>,

    /// Print the report as JSON, and nothing else, to stdout.
    #[arg(long)]
    pub(crate) json: bool,

    /// Send one request into each of many faults, and print how each failure is reported.
    ///
    /// The exit code says whether each report matches crates/tower-outbound/src/docs/failures.md. The requests' telemetry
    /// goes to OTEL_EXPORTER_OTLP_ENDPOINT, if that is set.
    #[arg(long, conflicts_with_all = ["seconds", "serve", "listen"])]
    pub(crate) faults: bool,

    /// Restart the upstreams under steady load, and compare the telemetry with their logs.
    ///
    /// The exit code says whether they agree. Uses nginx if it is installed; ctrl-c ends the run early. The telemetry goes
    /// to OTEL_EXPORTER_OTLP_ENDPOINT too, if that is set.
    #[arg(long, conflicts_with_all = ["faults", "serve"])]
    pub(crate) soak: bool,

    /// Seed of the restart schedule.
    #[arg(long, value_name = "N", default_value = "1", requires = "soak")]
    pub(crate) seed: u64,

    /// Shortest time between two restarts, in milliseconds. The longest is twice that.
    #[arg(long, value_name = "MS", default_value = "10000", value_parser = milliseconds, requires = "soak")]
    pub(crate) restart_every: Duration,

    /// Keep the service running after the report, until ctrl-c.
    #[arg(long)]
    pub(crate) serve: bool,

    /// Address of the service. The system chooses a free port for port 0.
    #[arg(long, value_name = "ADDR", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))]
    pub(crate) listen: SocketAddr,
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

    /// Duration of the run.
    pub(crate) fn seconds(&self) -> Duration {
        self.seconds.unwrap_or(Duration::from_secs(if self.soak { 600 } else { 5 }))
    }

    /// Reports that `--listen` cannot be used, and returns the exit code.
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
