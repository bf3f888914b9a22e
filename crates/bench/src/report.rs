//! Prints results, as JSON or as a table.

use std::collections::BTreeMap;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::Fallible;
use crate::{counts, duels};

pub(crate) fn counts(results: &counts::Results, json: bool) -> Fallible<()> {
    if json {
        return print(results);
    }
    println!("bare: {} instructions per request\n", results.bare);
    let mut table = table([
        "setting",
        "instructions × bare",
        "allocations +",
        "reallocations +",
        "system calls",
        "locked +",
        "clocks +",
    ]);
    for (setting, instructions) in &results.instructions {
        let of = |column: &BTreeMap<String, f64>, digits: usize| {
            column.get(setting).map_or(String::new(), |value| format!("{value:.digits$}"))
        };
        table.add_row([
            setting.clone(),
            format!("{instructions:.2}"),
            of(&results.allocations, 1),
            of(&results.reallocations, 1),
            of(&results.syscalls, 1),
            of(&results.locked, 0),
            of(&results.clocks, 0),
        ]);
    }
    println!("{}", right(table));
    Ok(())
}

pub(crate) fn duels(results: &duels::Results, json: bool) -> Fallible<()> {
    if json {
        return print(results);
    }
    println!("bare against itself: {:.2} requests/s\n", results.aa);
    let mut table = table(["setting", "requests/s × bare", "CPU × bare", "p99 × bare"]);
    for setting in results.requests_per_second.keys() {
        let of = |medians: &BTreeMap<String, f64>, quartiles: &BTreeMap<String, [f64; 2]>| {
            let [low, high] = quartiles[setting];
            format!("{:.2} ({low:.2} to {high:.2})", medians[setting])
        };
        table.add_row([
            setting.clone(),
            of(&results.requests_per_second, &results.quartiles.requests_per_second),
            of(&results.cpu, &results.quartiles.cpu),
            of(&results.p99, &results.quartiles.p99),
        ]);
    }
    println!("{}", right(table));
    Ok(())
}

fn print(results: &impl Serialize) -> Fallible<()> {
    println!("{}", serde_json::to_string(results)?);
    Ok(())
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    table
}

/// Numbers end in the same column.
fn right(mut table: Table) -> Table {
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}
