//! The report, as a picture and as JSON.

use std::fmt;
use std::io;

use serde::Serialize;

use super::run::{Remedy, Run};
use super::{ACQUIRE_TIMEOUT, BREAK_AT, CONNECTIONS, RESET_AT, SLICE, WORKERS};

const BARS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The three runs. Times are in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    slice_s: f64,
    break_at_s: f64,
    reset_at_s: f64,
    acquire_timeout_s: f64,
    recovery: Run,
    reset: Run,
    neither: Run,
}

impl Report {
    /// Makes the runs, at the same time.
    pub(crate) async fn measure() -> io::Result<Report> {
        let (recovery, reset, neither) =
            tokio::try_join!(Run::of(Remedy::Recovery), Run::of(Remedy::Reset), Run::of(Remedy::Neither))?;
        Ok(Report {
            slice_s: SLICE.as_secs_f64(),
            break_at_s: BREAK_AT.as_secs_f64(),
            reset_at_s: RESET_AT.as_secs_f64(),
            acquire_timeout_s: ACQUIRE_TIMEOUT.as_secs_f64(),
            recovery,
            reset,
            neither,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { recovery, reset, neither, .. } = self;
        writeln!(
            f,
            "{WORKERS} workers, {CONNECTIONS} connections. At {} s all connections go silent; new ones are answered.\n\
             Answers in each {} ms:\n",
            self.break_at_s,
            SLICE.as_millis(),
        )?;
        let runs = [("recovery", recovery), ("reset()", reset), ("neither", neither)];
        let most = runs.iter().flat_map(|(_, run)| &run.answers).max().copied().unwrap_or_default().max(1);
        for (name, run) in runs {
            let bars: String = run.answers.iter().map(|answers| bar(*answers, most)).collect();
            writeln!(f, "{name:>8}  {bars}  {}", back(run))?;
        }
        let column = |at_s: f64| (at_s / self.slice_s).round() as usize;
        let (broken, called) = (column(self.break_at_s), column(self.reset_at_s));
        let between = called - broken - "^ break".len();
        writeln!(f, "{:10}{:broken$}^ break{:between$}^ reset() is called\n", "", "", "")?;
        for (name, run) in runs {
            writeln!(
                f,
                "{name:>8}  {} answers, {} requests got no connection within {} s, {} were cut, {} failed otherwise; \
                 {} connections opened, {} at a time at most",
                run.answers.iter().sum::<u64>(),
                run.pool_timeouts,
                self.acquire_timeout_s,
                run.cut,
                run.failed_otherwise,
                run.connections_opened,
                run.connections_at_most,
            )?;
        }
        Ok(())
    }
}

fn bar(answers: u64, most: u64) -> char {
    BARS[(answers * 8).div_ceil(most) as usize]
}

fn back(run: &Run) -> String {
    match (run.back_after_call_s, run.back_after_break_s) {
        (Some(call), _) => format!("back {call:.1} s after the call"),
        (None, Some(broken)) => format!("back {broken:.1} s after the break"),
        (None, None) => "not back".to_owned(),
    }
}
