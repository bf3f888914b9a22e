//! Compares counts with the figures in the repository.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Fallible;
use crate::counts::Results;

const FIGURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/figures.json");

/// How much more is an error: a share of the figure, or absolute.
const RATIO: f64 = 0.03;
/// What is sent in batches has allocations for each batch, and their size depends on time.
const ALLOCATIONS_RATIO: f64 = 0.02;
const ALLOCATIONS: f64 = 0.5;
const SYSCALLS: f64 = 0.4;
const LOCKED: f64 = 16.0;
const CLOCKS: f64 = 1.0;

/// How many reads a response in frames takes depends on when each frame arrives.
const READ_IN_PARTS: &str = "frames_down";

/// Writes the figures. A commit that changes them says why.
pub(crate) fn record(results: &Results) -> Fallible<()> {
    Ok(std::fs::write(FIGURES, serde_json::to_string_pretty(results)? + "\n")?)
}

/// Compares what was counted.
///
/// # Errors
/// If something costs more than its figure and margin.
pub(crate) fn check(results: &Results) -> Fallible<()> {
    let figures: Results = serde_json::from_str(&std::fs::read_to_string(Path::new(FIGURES))?)?;
    let (worse, better) = compare(&figures, results);
    better.iter().for_each(|line| eprintln!("less than its figure, record it: {line}"));
    match worse.is_empty() {
        true => Ok(()),
        false => Err(format!("more than figures.json says:\n{}", worse.join("\n")).into()),
    }
}

/// Descriptions of what costs more, and of what costs less.
fn compare(figures: &Results, results: &Results) -> (Vec<String>, Vec<String>) {
    type Column = fn(&Results) -> &BTreeMap<String, f64>;
    let columns: [(&str, Column, f64, f64); 6] = [
        ("instructions", |results| &results.instructions, RATIO, 0.0),
        ("allocations", |results| &results.allocations, ALLOCATIONS_RATIO, ALLOCATIONS),
        ("reallocations", |results| &results.reallocations, ALLOCATIONS_RATIO, ALLOCATIONS),
        ("syscalls", |results| &results.syscalls, 0.0, SYSCALLS),
        ("locked", |results| &results.locked, 0.0, LOCKED),
        ("clocks", |results| &results.clocks, 0.0, CLOCKS),
    ];
    let (mut worse, mut better) = (Vec::new(), Vec::new());
    for (what, column, relative, absolute) in columns {
        for (setting, &counted) in column(results) {
            if what == "syscalls" && setting.ends_with(READ_IN_PARTS) {
                continue;
            }
            let Some(&figure) = column(figures).get(setting) else {
                worse.push(format!("{setting}: {what} have no figure"));
                continue;
            };
            let line = format!("{setting}: {counted} {what}, the figure is {figure}");
            let margin = figure * relative + absolute;
            if counted > figure + margin {
                worse.push(line);
            } else if counted < figure - margin {
                better.push(line);
            }
        }
    }
    (worse, better)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(instructions: f64, clocks: f64) -> Results {
        let one = |value| BTreeMap::from([("none".to_owned(), value)]);
        Results { instructions: one(instructions), clocks: one(clocks), ..Results::default() }
    }

    #[test]
    fn guard_reports_what_is_above_its_margin() {
        let (worse, better) = compare(&results(1.5, 10.0), &results(1.56, 8.9));
        assert_eq!(worse, ["none: 1.56 instructions, the figure is 1.5"]);
        assert_eq!(better, ["none: 8.9 clocks, the figure is 10"]);
    }

    #[test]
    fn guard_accepts_what_is_within_its_margin() {
        assert_eq!(compare(&results(1.5, 10.0), &results(1.54, 10.9)), (vec![], vec![]));
    }

    #[test]
    fn guard_leaves_reads_of_frames_out() {
        let reads = |value| {
            let syscalls = BTreeMap::from([("layers_frames_down".to_owned(), value)]);
            Results { syscalls, ..Results::default() }
        };
        assert_eq!(compare(&reads(7.0), &reads(8.1)), (vec![], vec![]));
    }

    #[test]
    fn guard_reports_a_setting_without_a_figure() {
        let (worse, _) = compare(&Results::default(), &results(1.5, 10.0));
        assert_eq!(worse, ["none: instructions have no figure", "none: clocks have no figure"]);
    }
}
