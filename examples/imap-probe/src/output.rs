//! The report on stdout, and the exit code.

use std::io::{self, Write as _};

use serde::Serialize;
use tower_outbound::operation::{OperationOutcome, Report, StepReport};

/// The exit code of a probe: 0, 1 or 3.
#[must_use]
pub fn exit_code(outcome: OperationOutcome) -> u8 {
    match outcome {
        OperationOutcome::Ok => 0,
        OperationOutcome::TimedOut => 3,
        _ => 1,
    }
}

#[derive(Serialize)]
struct Json<'a> {
    outcome: &'static str,
    timed_out_in: Option<&'static str>,
    total_s: f64,
    steps: &'a [StepReport],
}

/// Prints a report as a table, or as one line of JSON.
///
/// # Errors
/// stdout is closed: `| head`, for example.
pub fn print(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let outcome = report.outcome().as_str();
        let timed_out_in = report.timed_out_in().map(StepReport::name);
        let json =
            Json { outcome, timed_out_in, total_s: report.total().as_secs_f64(), steps: report.steps() };
        serde_json::to_writer(&mut out, &json)?;
        writeln!(out)
    } else {
        writeln!(out, "{report}")
    }
}
