//! The report, as text and as JSON.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use serde::Serialize;

use crate::load::REQUESTS;
use crate::stacks::Run;

const HEADER: [&str; 8] = [
    "THE 429 IS …",
    "served\nin",
    "requests/s",
    "longest wait\nfor a slot",
    "pool\ntimeouts",
    "connections\nopened",
    "drained\nclosed",
    "processed\ntwice",
];

const HOW_TO_READ: &str = "\
4 requests may be in flight; each holds a slot until its response body ends. A request without a slot
after 2 s fails with a pool timeout. The longest wait is that for a slot, without the second that the
server asks for. The numbers of connections and of requests processed twice are from the server's log. A
few more than 4 are opened: a slot is free a moment before its connection is idle in the client's pool.
drained: 429s read to the end before the wait, so their connections serve others; closed: dropped.
";

/// The three runs.
pub(crate) struct Report {
    pub(crate) released: Run,
    pub(crate) held: Run,
    pub(crate) dropped: Run,
}

impl Report {
    fn runs(&self) -> [(&'static str, &Run); 3] {
        [
            ("released before the wait", &self.released),
            ("held during the wait", &self.held),
            ("dropped undrained", &self.dropped),
        ]
    }

    /// Results that are not expected.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (name, run) in self.runs() {
            if run.done.failed > 0 {
                warnings.push(format!("{name}: {} requests failed for another reason", run.done.failed));
            }
            for (limit, count) in &run.seen.given_up {
                warnings.push(format!("{name}: {count} requests were not retried because of {limit}"));
            }
        }
        warnings
    }
}

impl Run {
    fn requests_per_s(&self) -> f64 {
        // Below 2^53: exact.
        self.done.served as f64 / self.done.took.as_secs_f64()
    }

    fn row(&self, name: &str, ours: bool) -> [String; 8] {
        [
            name.to_owned(),
            format!("{}\n{:.1} s", self.done.served, self.done.took.as_secs_f64()),
            format!("{:.1}", self.requests_per_s()),
            millis(self.seen.longest_wait),
            self.done.pool_timeouts.to_string(),
            self.log.connections().to_string(),
            if ours { format!("{}\n{}", self.seen.drained, self.seen.closed) } else { "–".to_owned() },
            self.log.duplicates().to_string(),
        ]
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "64 workers, 4 connections, {REQUESTS} requests; the server answers every tenth with 429\n"
        )?;
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_style(TableComponent::HeaderLines, '─');
        table.set_style(TableComponent::MiddleHeaderIntersections, '─');
        table.set_content_arrangement(ContentArrangement::Disabled).set_header(HEADER);
        for (index, (name, run)) in self.runs().into_iter().enumerate() {
            table.add_row(run.row(name, index == 0));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 1));
            if column.index > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        writeln!(f, "{}\n\n{HOW_TO_READ}", table.trim_fmt())?;
        let Report { released, held, dropped } = self;
        writeln!(
            f,
            "Released: {:.1} × the requests/s of held, {} pool timeouts against {};\n\
             {} connections opened against {} of dropped.",
            released.requests_per_s() / held.requests_per_s(),
            released.done.pool_timeouts,
            held.done.pool_timeouts,
            released.log.connections(),
            dropped.log.connections(),
        )
    }
}

/// Times are in seconds.
#[derive(Serialize)]
pub(crate) struct Json {
    released: Released,
    held: Held,
    dropped: Dropped,
}

#[derive(Serialize)]
struct Released {
    requests: u64,
    duplicates: u64,
    requests_per_s: f64,
    longest_wait_s: f64,
    pool_timeouts: u64,
    connections_opened: u64,
    drained: u64,
    closed: u64,
}

#[derive(Serialize)]
struct Held {
    requests: u64,
    requests_per_s: f64,
    longest_wait_s: f64,
    pool_timeouts: u64,
}

#[derive(Serialize)]
struct Dropped {
    requests: u64,
    requests_per_s: f64,
    connections_opened: u64,
}

impl Json {
    pub(crate) fn new(Report { released, held, dropped }: &Report) -> Json {
        Json {
            released: Released {
                requests: released.done.served,
                duplicates: released.log.duplicates(),
                requests_per_s: released.requests_per_s(),
                longest_wait_s: released.seen.longest_wait.as_secs_f64(),
                pool_timeouts: released.done.pool_timeouts,
                connections_opened: released.log.connections(),
                drained: released.seen.drained,
                closed: released.seen.closed,
            },
            held: Held {
                requests: held.done.served,
                requests_per_s: held.requests_per_s(),
                longest_wait_s: held.seen.longest_wait.as_secs_f64(),
                pool_timeouts: held.done.pool_timeouts,
            },
            dropped: Dropped {
                requests: dropped.done.served,
                requests_per_s: dropped.requests_per_s(),
                connections_opened: dropped.log.connections(),
            },
        }
    }
}
