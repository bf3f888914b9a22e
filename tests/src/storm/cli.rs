//! The command line.

use std::time::Duration;

use clap::Parser;

use super::{Act, Settings};

/// Calls peers that behave badly, and counts what the calls leave behind.
///
/// The exit code is 0 if every call ended and nothing is left.
#[derive(Debug, Parser)]
#[command(name = "storm")]
pub struct Cli {
    /// The number of calls.
    #[arg(long, value_name = "N", default_value_t = 300_000)]
    calls: u64,

    /// The seed of the plan: what the peers do with each call, and which calls are cancelled.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// What no peer shall do. Separate several by commas.
    #[arg(long, value_name = "ACT", value_delimiter = ',', value_parser = act)]
    without: Vec<Act>,

    /// The duration after which a call counts as one without an end, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "10000", value_parser = milliseconds)]
    watchdog: Duration,

    /// How long after the drop of the client something may still be open, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "5000", value_parser = milliseconds)]
    settle: Duration,
}

impl Cli {
    /// The settings of the run.
    #[must_use]
    pub fn settings(self) -> Settings {
        let Cli { calls, seed, without, watchdog, settle } = self;
        Settings { without, watchdog, settle, progress: true, ..Settings::new(calls, seed) }
    }
}

fn act(name: &str) -> Result<Act, String> {
    let names = || Act::ALL.iter().map(|act| act.name()).collect::<Vec<_>>().join(", ");
    Act::named(name).ok_or_else(|| format!("expected one of: {}", names()))
}

fn milliseconds(number: &str) -> Result<Duration, std::num::ParseIntError> {
    Ok(Duration::from_millis(number.parse()?))
}
