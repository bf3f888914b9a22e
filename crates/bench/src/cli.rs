//! The command line.

use clap::{Parser, Subcommand};

use crate::Fallible;
use crate::counts::{self, Results};
use crate::settings::{self, Setting, Traffic};
use crate::{client, server};

#[derive(Debug, Parser)]
#[command(
    about = "What observing costs: the layers, hyper-util alone and what people use instead, side by side"
)]
struct Arguments {
    /// Counts what does not depend on the clock.
    #[arg(long)]
    counts: bool,
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
    Client { setting: String, requests: usize, to: String },
}

pub(crate) fn run() -> Fallible<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Server) => return server::serve(),
        Some(Part::Client { setting, requests, to }) => return client::client(&setting, requests, &to),
        None => {}
    }
    let settings = asked(&arguments.only)?;
    if arguments.counts {
        let measured = counts::all(&settings, arguments.at_a_time)?;
        let results = Results::new(&measured);
        if let Some(moved) = results.scale() {
            eprintln!("{moved}");
        }
        println!("{}", serde_json::to_string(&results)?);
    }
    Ok(())
}

/// The settings that were asked for, after their bases.
fn asked(only: &[String]) -> Result<Vec<Setting>, String> {
    let wanted = match only.is_empty() {
        true => settings::all(),
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
