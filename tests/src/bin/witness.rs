//! Compares what the layers report with what peers log: `witness --requests N --seed S`.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use outbound_tests::certs::Certs;
use outbound_tests::witness::{FIRST_BYTE, Plan, Scene, Tally, capture_tools, judge, play};

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
    /// Captures the packets, and compares with them too. Needs tcpdump, tshark and root.
    #[arg(long)]
    capture: bool,
    /// Leaves out the faults whose reports are known to be wrong.
    #[arg(long)]
    settled: bool,
    /// Prints each failure whose send state is unknown.
    #[arg(long)]
    unknown: bool,
    /// Prints everything that was reported and logged.
    #[arg(long)]
    verbose: bool,
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

/// Whether every report was right, and the first byte in time.
async fn run(arguments: &Arguments) -> io::Result<bool> {
    let Arguments { requests, seed, scene, capture, settled, unknown, verbose } = *arguments;
    if capture {
        capture_tools()?;
    }
    let plan = Plan { requests, seed, settled };
    let certs = Certs::new("peer.test");
    let mut tally = Tally::default();
    let scenes = match scene {
        Some(one) => one..one + 1,
        None => 0..plan.scenes(),
    };
    for number in scenes {
        let scene = Arc::new(plan.scene(number));
        let played = play(&scene, &certs, capture).await?;
        if verbose {
            println!("{played:#?}");
        }
        if capture && played.wire.is_none() {
            println!("{scene}: the kernel dropped packets, so the capture is not compared");
        }
        let verdict = judge(&scene, &played);
        for wrong in &verdict.wrong {
            println!("wrong {}: {}", wrong.field, describe(&scene, wrong.step));
            println!("    {}", wrong.why);
        }
        for (step, why) in &verdict.unknown_reuse {
            println!("unknown reuse: {}", describe(&scene, Some(*step)));
            println!("    {why}");
        }
        for (step, why) in verdict.unknown_send.iter().filter(|_| unknown) {
            println!("unknown send state: {}", describe(&scene, Some(*step)));
            println!("    {why}");
        }
        for what in &played.unfinished {
            println!("without an end: {scene}: {what}");
        }
        tally.add(scene.steps.len(), played.unfinished.len(), &verdict);
    }
    let mut in_time = true;
    for (from, found) in [("the peer's write", tally.first_byte()), ("its packet", tally.captured())] {
        let Some((median, of)) = found else { continue };
        in_time &= median <= FIRST_BYTE;
        println!("first byte at c = 1: {median:?} from {from}, the median of {of} (limit {FIRST_BYTE:?})");
    }
    println!("{tally}");
    Ok(tally.is_right() && in_time)
}

fn describe(scene: &Scene, step: Option<usize>) -> String {
    let planned = step.and_then(|step| Some((step, scene.steps.get(step)?)));
    match planned {
        Some((number, step)) => format!("{scene}: request {number}: {step}"),
        None => scene.to_string(),
    }
}
