//! A report as a table.

use std::fmt;

use super::{Report, StepReport};

const HEADINGS: [&str; 5] = ["step", "target", "outcome", "duration", "error"];
/// The column whose cells are aligned to the right.
const DURATION: usize = 3;

/// A headline, and a line for each step.
pub(super) fn table(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}: {}", report.operation(), report.outcome())?;
    if let Some(step) = report.timed_out_in() {
        write!(f, " in {}", step.name())?;
        if let Some(target) = step.target() {
            write!(f, " {}", printable(target))?;
        }
    }
    write!(f, " after {:.3} s", report.total().as_secs_f64())?;
    let rows: Vec<_> =
        std::iter::once(HEADINGS.map(String::from)).chain(report.steps().iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            let [before, after] = if column == DURATION { [&pad, ""] } else { ["", &*pad] };
            line.extend([before, cell, after, "  "]);
        }
        write!(f, "\n{}", line.trim_end())?;
    }
    Ok(())
}

fn cells(step: &StepReport) -> [String; HEADINGS.len()] {
    [
        step.name().to_owned(),
        step.target().map(printable).unwrap_or_default(),
        step.outcome().to_string(),
        step.duration().map(|duration| format!("{:.3} s", duration.as_secs_f64())).unwrap_or_default(),
        step.error_type().map(String::from).unwrap_or_default(),
    ]
}

/// A target may come from a user: it must not move the cursor.
fn printable(target: &str) -> String {
    target.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
