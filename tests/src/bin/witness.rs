//! Compares what the layers report with what peers log: `witness --requests N --seed S`.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use outbound_tests::certs::Certs;
use outbound_tests::witness::{FIRST_BYTE, Plan, Scene, Tally, judge, play};

/// Compares what the layers report of each request with what the peers have seen. The last line counts what is wrong.
#[derive(Debug, Parser)]
struct Arguments {
    /// The number of requests.
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
    /// The same seed plans the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays only this scene again.
    #[arg(long)]
    scene: Option<usize>,
    /// Prints everything that was reported and logged.
    #[arg(long)]
    verbose: bool,
    /// Leaves out the faults whose reports are known to be wrong.
    #[arg(long)]
    settled: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("witness: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every report was right.
async fn run(arguments: &Arguments) -> io::Result<bool> {
    let Arguments { requests, seed, scene, settled, verbose } = *arguments;
    let plan = Plan { requests, seed, settled };
    let certs = Certs::new("peer.test");
    let mut tally = Tally::default();
    let scenes = match scene {
        Some(one) => one..one + 1,
        None => 0..plan.scenes(),
    };
    for number in scenes {
        let scene = Arc::new(plan.scene(number));
        let played = play(&scene, &certs).await?;
        let verdict = judge(&scene, &played);
        if verbose {
            println!("{played:#?}");
        }
        for wrong in &verdict.wrong {
            println!("wrong {}: {}", wrong.field, describe(&scene, wrong.step));
            println!("    {}", wrong.why);
        }
        for (step, why) in &verdict.unknown_reuse {
            println!("unknown reuse: {}", describe(&scene, Some(*step)));
            println!("    {why}");
        }
        for what in &played.unfinished {
            println!("without an end: {scene}: {what}");
        }
        tally.add(scene.steps.len(), played.unfinished.len(), &verdict);
    }
    let quick = tally.first_byte().is_none_or(|(median, _)| median <= FIRST_BYTE);
    if let Some((median, of)) = tally.first_byte() {
        println!(
            "first byte, one request at a time: {median:?} at the median of {of} (limit {FIRST_BYTE:?})"
        );
    }
    println!("{tally}");
    Ok(tally.is_right() && quick)
}

fn describe(scene: &Scene, step: Option<usize>) -> String {
    let planned = step.and_then(|step| Some((step, scene.steps.get(step)?)));
    match planned {
        Some((number, step)) => format!("{scene}: request {number}: {step}"),
        None => scene.to_string(),
    }
}
