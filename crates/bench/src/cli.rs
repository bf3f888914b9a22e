//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::Fallible;
use crate::counts::{self, Results};
use crate::settings::{self, Client, Setting, Traffic};
use crate::{client, duels, guard, losses, picture, report, scaling, server};

#[derive(Debug, Parser)]
#[command(
    about = "What observing costs: the layers, hyper-util alone and what people use instead, side by side"
)]
struct Arguments {
    /// Counts what does not depend on the clock.
    #[arg(long)]
    counts: bool,
    /// Times what depends on the clock, in duels with hyper-util alone.
    #[arg(long)]
    duels: bool,
    /// Puts what exports under full load, and counts the spans that are lost.
    #[arg(long)]
    losses: bool,
    /// Counts what a request costs among many origins, connections, waiting requests and observers, and what each holds.
    #[arg(long)]
    scaling: bool,
    /// Also what the guard leaves out: others' code, 3 MiB bodies, and the bytes of allocations.
    #[arg(long, conflicts_with_all = ["check", "record"])]
    all: bool,
    /// The threads of the clients in duels and under full load. One shares its core with the exporter's threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Fails if something is counted that costs more than `figures.json` in this package says.
    #[arg(long, requires = "counts")]
    check: bool,
    /// Writes what is counted to `figures.json`. Say why in the commit.
    #[arg(long, requires = "counts", conflicts_with_all = ["check", "only"])]
    record: bool,
    /// Draws the instructions per request into this file, as SVG.
    #[arg(long, requires = "counts", value_name = "FILE")]
    picture: Option<PathBuf>,
    /// The number of duels of each setting.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Only these settings, such as `none,layers_metrics`, and what they are compared with.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Settings that are counted at a time.
    #[arg(long, default_value_t = 2)]
    at_a_time: usize,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The processes that the bench starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Server,
    #[command(hide = true)]
    Client { setting: String, plan: String, to: String },
    #[command(hide = true)]
    Scale { plan: String, to: String },
}

pub(crate) fn run() -> Fallible<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Server) => return server::serve(),
        Some(Part::Client { setting, plan, to }) => return client::client(&setting, &plan, &to),
        Some(Part::Scale { plan, to }) => return client::scale(&plan, &to),
        None => {}
    }
    let settings = asked(&arguments.only, arguments.all)?;
    if arguments.counts {
        let measured = counts::all(&settings, arguments.at_a_time, arguments.all)?;
        let results = Results::new(&measured);
        if let Some(moved) = results.scale() {
            eprintln!("{moved}");
        }
        report::counts(&results, arguments.json)?;
        if let Some(picture) = arguments.picture {
            std::fs::write(picture, picture::svg(&results))?;
        }
        if arguments.record {
            guard::record(&results)?;
        }
        if arguments.check {
            guard::check(&results)?;
        }
    }
    if arguments.scaling {
        report::scaling(&scaling::all(arguments.at_a_time)?, arguments.json)?;
    }
    if arguments.losses {
        let asked = |setting: &Setting| arguments.only.is_empty() || arguments.only.contains(&setting.name);
        let exporting: Vec<_> = settings::exporting().filter(asked).collect();
        report::losses(&losses::all(&exporting, arguments.threads)?, arguments.json)?;
    }
    if arguments.duels {
        let bursts = settings::bursts().filter(|_| arguments.only.is_empty());
        // Only the first base fights itself: it tells how far ratios can be trusted.
        let fighting =
            settings.into_iter().filter(|setting| setting.name == "bare" || setting.client != Client::Bare);
        let (results, failed) =
            duels::all(&fighting.chain(bursts).collect::<Vec<_>>(), arguments.rounds, arguments.threads)?;
        report::duels(&results, arguments.json)?;
        if !failed.is_empty() {
            return Err(failed.join("\n").into());
        }
    }
    Ok(())
}

/// The settings that were asked for, after their bases.
fn asked(only: &[String], all: bool) -> Result<Vec<Setting>, String> {
    let wanted: Vec<Setting> = match only.is_empty() {
        true if all => settings::guarded().chain(settings::further()).collect(),
        true => settings::guarded().collect(),
        false => only
            .iter()
            .map(|name| settings::named(name).ok_or_else(|| format!("no setting is named {name}")))
            .collect::<Result<_, _>>()?,
    };
    let bases = Traffic::ALL.into_iter().filter(|traffic| {
        *traffic == Traffic::Warm || wanted.iter().any(|setting| setting.traffic == *traffic)
    });
    let bases: Vec<Setting> = bases.map(Traffic::base).collect();
    let wanted = wanted.into_iter().filter(|setting| bases.iter().all(|base| base.name != setting.name));
    Ok(bases.iter().cloned().chain(wanted).collect())
}
