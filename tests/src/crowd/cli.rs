//! The command line.

use std::env::current_exe;
use std::io;
use std::process::Command;
use std::time::Duration;

use clap::{Parser, Subcommand};

use super::idle::serve;
use super::{Client, PoolOf, Protocol, callers, closing, idle, resets};

/// How long the idle connections are watched.
const REST: Duration = Duration::from_secs(5);

/// Measures the pool under many callers.
///
/// The exit code is 0 if every promise was kept.
#[derive(Debug, Parser)]
#[command(name = "crowd")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Many callers on few connections.
    Callers {
        /// The number of callers.
        #[arg(long, default_value_t = 10_000)]
        callers: usize,
        /// The limit of connections.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Resets under load, for each protocol.
    Resets {
        /// The number of resets.
        #[arg(long, default_value_t = 10_000)]
        resets: usize,
    },
    /// A peer that closes connections when they are taken.
    Closing {
        /// The number of requests.
        #[arg(long, default_value_t = 200_000)]
        requests: usize,
    },
    /// Idle connections, of hyper alone, of the pool, and of the pool below the layers.
    Idle {
        /// Their number.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
        /// Whose: `hyper`, `pool` or `observed`. Each has a process of its own otherwise.
        #[arg(long)]
        client: Option<String>,
    },
    /// The peer of `idle`.
    #[command(hide = true)]
    Peer { connections: usize },
}

/// Runs the command line. Returns whether every promise was kept.
///
/// # Errors
/// If a peer cannot be started.
pub fn run() -> io::Result<bool> {
    match Cli::parse().what {
        What::Callers { callers: number, limit } => {
            let report = callers(number, limit)?;
            println!("{report}");
            Ok(report.is_right())
        }
        What::Resets { resets: number } => {
            let mut right = true;
            for pool in [PoolOf::This, PoolOf::HyperUtil] {
                for protocol in Protocol::ALL {
                    let report = resets(pool, protocol, number)?;
                    println!("{report}");
                    right &= report.is_right();
                }
            }
            Ok(right)
        }
        What::Closing { requests } => {
            let report = closing(requests)?;
            println!("{report}");
            Ok(report.is_right())
        }
        What::Idle { connections, client: Some(client) } => {
            let client = match client.as_str() {
                "hyper" => Client::Hyper,
                "pool" => Client::Pool,
                _ => Client::Observed,
            };
            let mut peer = Command::new(current_exe()?);
            peer.args(["peer", &connections.to_string()]);
            let report = idle(client, connections, Some(peer), REST)?;
            println!("{report}");
            Ok(report.is_right())
        }
        What::Idle { connections, client: None } => {
            let mut right = true;
            // Memory that one of them leaves behind would count for the other.
            for client in ["hyper", "pool", "observed"] {
                let mut alone = Command::new(current_exe()?);
                alone.args(["idle", "--client", client, "--connections", &connections.to_string()]);
                right &= alone.status()?.success();
            }
            Ok(right)
        }
        What::Peer { connections } => serve(connections).map(|()| true),
    }
}
