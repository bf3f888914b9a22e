//! Calls peers that behave badly, and counts what the calls leave behind: see [`outbound_tests::storm`].

use std::process::ExitCode;

use clap::Parser as _;
use outbound_tests::storm::{Cli, run};

fn main() -> ExitCode {
    match run(&Cli::parse().settings()) {
        Ok(report) => {
            println!("{report}");
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
