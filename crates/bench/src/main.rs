//! What observing costs: our layers, hyper-util alone and what people use instead, side by side.
//!
//! ```console
//! cargo run --release -p bench -- --counts --json
//! ```
//! counts what does not depend on the clock: instructions, allocations, locked instructions, clock reads and system
//! calls per request, of the whole client's process with the exporter's threads. The server is another process. It needs
//! valgrind, strace and objdump. With `--check` it fails if something costs more than `figures.json` says.
//!
//! ```console
//! cargo run --release -p bench -- --duels --json
//! ```
//! times what depends on the clock. With `--threads 2` the clients run on two threads, on every core.
//!
//! Both leave out what others' code costs and bodies of 3 MiB, unless `--all` asks for them. `--losses` shows how many spans
//! each way to export loses at full load, and `--scaling` what a request costs among many.

#![forbid(unsafe_code)]

mod cli;
mod client;
mod contenders;
mod core;
mod counts;
mod duels;
mod guard;
mod load;
mod losses;
mod picture;
mod report;
mod scaling;
mod server;
mod settings;
mod telemetry;

use std::process::ExitCode;

/// The error says everything, to a reader.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
