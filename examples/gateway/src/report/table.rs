//! The table of hosts.

use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, TableComponent};
use outbound_tests::otlp::hosts::{Host, Percentiles};

use super::unit::bound;

const HEADER: [&str; 9] = [
    "HOST",
    "requests\nfailed",
    "reused",
    "opened\nwasted",
    "closed because",
    "",
    "connect",
    "first byte",
    "body",
];
const NUMBERS: [usize; 6] = [1, 2, 3, 6, 7, 8];

/// The hosts, and how to read the table.
pub(super) struct Table<'a>(pub(super) &'a [Host]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", frameless(HEADER, self.0.iter().map(row), &NUMBERS))?;
        writeln!(
            f,
            "≤ is the upper bound of a histogram bucket: the true percentile is at most that. failed: a response\n\
             with 4xx or 5xx, or none. If `reused` is low, `closed because` has the cause. Each opened connection\n\
             cost a connect, which is part of its request's first byte. A wasted connect was overtaken by another\n\
             connection."
        )
    }
}

/// A table with a line below the header. The columns in `numbers` are aligned to the right.
pub(crate) fn frameless<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    numbers: &[usize],
) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_style(TableComponent::MiddleHeaderIntersections, '─');
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
        if numbers.contains(&column.index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn row(host: &Host) -> [String; 9] {
    let closed: Vec<_> = host.closed.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    [
        match host.role {
            None => format!("{}:{}\n{}", host.host, host.port, host.scheme),
            Some(role) => format!("{}:{}\n{}: {role}", host.host, host.port, host.scheme),
        },
        format!("{}\n{}", host.requests, host.errors),
        host.reuse_rate().map_or("–".to_owned(), |rate| format!("{:.1} %", rate * 100.0)),
        format!("{}\n{}", host.connections, host.wasted),
        if closed.is_empty() { "–".to_owned() } else { closed.join("\n") },
        "p50\np99".to_owned(),
        cell(host.connect),
        cell(host.ttfb),
        cell(host.body),
    ]
}

fn cell(percentiles: Percentiles) -> String {
    format!("{}\n{}", bound(percentiles.p50), bound(percentiles.p99))
}
