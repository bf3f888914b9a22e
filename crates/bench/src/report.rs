//! Prints results, as JSON or as a table.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::Fallible;
use crate::losses::Losses;
use crate::{counts, duels, scaling};

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
        "bytes +",
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
            of(&results.bytes, 0),
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
    let mut table =
        table(["setting", "requests/s × bare", "CPU × bare", "p50 × bare", "p99 × bare", "requests/s"]);
    for setting in results.requests_per_second.keys() {
        let of = |medians: &BTreeMap<String, f64>, quartiles: &BTreeMap<String, [f64; 2]>| {
            let [low, high] = quartiles[setting];
            format!("{:.2} ({low:.2} to {high:.2})", medians[setting])
        };
        table.add_row([
            setting.clone(),
            of(&results.requests_per_second, &results.quartiles.requests_per_second),
            of(&results.cpu, &results.quartiles.cpu),
            of(&results.p50, &results.quartiles.p50),
            of(&results.p99, &results.quartiles.p99),
            format!("{:.0}", results.absolute[setting]),
        ]);
    }
    println!("{}", right(table));
    Ok(())
}

pub(crate) fn losses(results: &[Losses], json: bool) -> Fallible<()> {
    if json {
        return print(&results);
    }
    let mut table = table(["setting", "requests/s", "spans/s", "made", "received", "lost"]);
    for row in results {
        table.add_row([
            row.setting.clone(),
            format!("{:.0}", row.requests_per_second),
            format!("{:.0}", row.spans_per_second),
            row.made.to_string(),
            row.received.to_string(),
            format!("{:.1} %", row.lost_percent),
        ]);
    }
    println!("{}", right(table));
    Ok(())
}

pub(crate) fn scaling(results: &scaling::Results, json: bool) -> Fallible<()> {
    if json {
        return print(results);
    }
    for (among, clients) in &results.instructions {
        let sizes: Vec<usize> =
            clients.values().flat_map(BTreeMap::keys).copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut header = vec![format!("instructions per request among {among}")];
        header.extend(sizes.iter().map(usize::to_string));
        header.push("most / least".to_owned());
        let mut table = Table::new();
        table.load_preset(ASCII_MARKDOWN).set_header(header);
        for (client, curve) in clients {
            let mut row = vec![(*client).to_owned()];
            row.extend(
                sizes.iter().map(|size| curve.get(size).map_or(String::new(), |each| format!("{each:.0}"))),
            );
            row.push(format!("{:.2}", scaling::spread(curve)));
            table.add_row(row);
        }
        println!("{}\n", right(table));
    }
    for (held, clients) in &results.heap {
        let mut table = table(["bytes of each", held]);
        for (client, bytes) in clients {
            table.add_row([(*client).to_owned(), format!("{bytes:.0}")]);
        }
        println!("{}\n", right(table));
    }
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
