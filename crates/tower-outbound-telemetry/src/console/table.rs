//! A table of series.

use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, TableComponent};

use super::series::{Percentile, Series, Value};
use super::text::clean;
use super::unit::value;

/// Maximum number of shown series.
const SHOWN: usize = 60;
const COLUMNS: usize = 5;
/// Columns between two cells.
const GAP: usize = 2;
/// Minimum width of a label.
const NARROWEST: usize = 30;
const CONTINUED: &str = "    ";

/// A table of series, which are sorted by metric.
pub(super) struct Table<'a> {
    pub(super) series: &'a [Series],
    pub(super) service: Option<&'a str>,
    pub(super) width: usize,
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_style(TableComponent::HeaderLines, '─');
        table.set_style(TableComponent::MiddleHeaderIntersections, '─');
        table.set_content_arrangement(ContentArrangement::Disabled);
        let header = [self.title().as_str(), "value", "mean", "p50", "p99"].map(str::to_owned);
        let mut rows = self.rows();
        let widest = |column: usize| {
            let cells = rows.iter().chain([&header]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0) + GAP
        };
        let labels = self.width.saturating_sub((1..COLUMNS).map(widest).sum()).max(NARROWEST);
        for row in &mut rows {
            row[0] = wrap(&row[0], labels);
        }
        table.set_header(header).add_rows(rows);
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
            if column.index > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}", table.trim_fmt())?;
        match self.series.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more series"),
        }
    }
}

impl Table<'_> {
    /// Each metric's name, followed by its series.
    fn rows(&self) -> Vec<[String; COLUMNS]> {
        let shown = &self.series[..self.series.len().min(SHOWN)];
        let mut rows = Vec::with_capacity(2 * shown.len());
        for metric in shown.chunk_by(|a, b| a.metric == b.metric) {
            let name = clean(&metric[0].metric).into_owned();
            match metric {
                // A metric without attributes has one row.
                [one] if one.attributes.is_empty() => rows.push(row(name, one)),
                _ => {
                    rows.push([name, String::new(), String::new(), String::new(), String::new()]);
                    rows.extend(metric.iter().map(|series| row(format!("  {}", series.attributes), series)));
                }
            }
        }
        rows
    }

    fn title(&self) -> String {
        match self.service {
            Some(service) => format!("METRICS of {}", clean(service)),
            None => "METRICS".to_owned(),
        }
    }
}

/// Wraps between attributes; further lines are indented.
fn wrap(label: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in label.split_inclusive(' ') {
        let length = word.chars().count();
        if column > CONTINUED.len() && column + word.trim_end().chars().count() > width {
            lines.truncate(lines.trim_end().len());
            lines.extend(["\n", CONTINUED]);
            column = CONTINUED.len();
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

fn row(label: String, series: &Series) -> [String; COLUMNS] {
    let unit = series.unit.as_str();
    match series.value {
        Value::Number(number) => [label, value(number, unit), String::new(), String::new(), String::new()],
        Value::Histogram { count, sum, p50, p99 } => {
            let mean = if count > 0 { value(sum / count as f64, unit) } else { "–".to_owned() };
            [label, count.to_string(), mean, percentile(p50, unit), percentile(p99, unit)]
        }
    }
}

fn percentile(percentile: Option<Percentile>, unit: &str) -> String {
    match percentile {
        None => "–".to_owned(),
        Some(Percentile::AtMost(bound)) => format!("≤ {}", value(bound, unit)),
        Some(Percentile::Above(bound)) => format!("> {}", value(bound, unit)),
    }
}
